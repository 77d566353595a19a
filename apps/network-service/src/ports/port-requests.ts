import { isIP } from 'node:net';
import { invalidArgument } from '@gantry/shared/errors';
import type { PortProtocol, PortRequest } from '../records/sandbox-record';

/** API: PortMap. */
export type PortMap = Record<string, { HostIp?: string; HostPort?: string }[] | null>;

/** `80/tcp` as the API writes ports; the protocol is tcp where none is given. @throws InvalidArgument */
export function parsePort(text: string): { port: number; protocol: PortProtocol } {
  const [number = '', protocol = 'tcp'] = text.split('/');
  const port = Number(number);
  if (!/^\d+$/.test(number) || port > 65535) throw invalidArgument(`invalid port specification: "${text}"`);
  const lower = protocol.toLowerCase();
  if (lower !== 'tcp' && lower !== 'udp' && lower !== 'sctp') {
    throw invalidArgument(`invalid proto: ${protocol}`);
  }
  return { port, protocol: lower };
}

/** What is to be published: the bindings, and with `publishAll` each exposed port that has none. @throws InvalidArgument */
export function portRequests(
  bindings: PortMap,
  exposed: readonly string[],
  publishAll: boolean,
): PortRequest[] {
  const requests: PortRequest[] = [];
  for (const [key, list] of Object.entries(bindings)) {
    const { port, protocol } = parsePort(key);
    for (const { HostIp = '', HostPort = '' } of list ?? []) {
      const [hostPortFirst, hostPortLast] = parseRange(HostPort);
      checkHostIp(HostIp);
      requests.push({ protocol, containerPort: port, hostIp: HostIp, hostPortFirst, hostPortLast });
    }
  }
  if (!publishAll) return requests;
  for (const key of exposed) {
    const { port, protocol } = parsePort(key);
    if (requests.some((known) => known.containerPort === port && known.protocol === protocol)) continue;
    requests.push({ protocol, containerPort: port, hostIp: '', hostPortFirst: 0, hostPortLast: 0 });
  }
  return requests;
}

function parseRange(text: string): [number, number] {
  if (text === '') return [0, 0];
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || first > 65535 || last > 65535 || last < first) {
    throw invalidArgument(`invalid port specification: "${text}"`);
  }
  return [first, last];
}

function checkHostIp(ip: string): void {
  if (ip !== '' && !isIP(ip)) throw invalidArgument(`invalid IP address: ${ip}`);
}
