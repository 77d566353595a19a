import { randomBytes } from 'node:crypto';
import { type DnsDefaults, withDnsDefaults } from '@gantry/shared/config';
import type { AttachSandboxRequest } from '@gantry/proto/network';
import { type PortMap, parsePort, portRequests } from '../ports/port-requests';
import type { SandboxRecord } from '../records/sandbox-record';

/** The record of what a container asks for, before anything of it is made. */
export function newSandbox(request: AttachSandboxRequest, dns: DnsDefaults): SandboxRecord {
  const exposed = Object.keys(parseJson<Record<string, unknown>>(request.exposedPorts));
  const bindings = parseJson<PortMap>(request.portBindings);
  return {
    containerId: request.containerId,
    containerName: request.containerName,
    sandboxId: randomBytes(32).toString('hex'),
    hostname: request.hostname,
    domainname: request.domainname,
    mode: request.mode,
    endpoints: [],
    exposedPorts: exposed.map((text) => {
      const { port, protocol } = parsePort(text);
      return `${port}/${protocol}`;
    }),
    portRequests: portRequests(bindings, exposed, request.publishAllPorts),
    ports: [],
    resolver: withDnsDefaults(
      { servers: request.dns, search: request.dnsSearch, options: request.dnsOptions },
      dns,
    ),
    extraHosts: request.extraHosts,
    links: request.links,
    ...(request.owner && { owner: request.owner }),
  };
}

const parseJson = <T extends object>(bytes: Uint8Array): T =>
  (bytes.length === 0 ? {} : (JSON.parse(Buffer.from(bytes).toString('utf8')) ?? {})) as T;
