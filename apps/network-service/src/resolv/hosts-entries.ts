import { invalidArgument } from '@gantry/shared/errors';
import type { HostsEntry } from '@gantry/proto/network';
import type { SandboxRecord } from '../records/sandbox-record';

/**
 * The lines of a container's /etc/hosts after those of localhost, in Docker's order: extra hosts, links, then itself.
 * @param hostGateways what `host-gateway` stands for: the host's addresses on the default bridge, one a family
 * @param linked a container that a link leads to, with its address on the default bridge
 * @throws InvalidArgument for an extra host that is not `name:ip`
 */
export function hostsEntries(
  sandbox: SandboxRecord,
  hostGateways: readonly string[],
  linked: (containerId: string) => { address: string; hostname: string } | undefined,
): HostsEntry[] {
  const extra = sandbox.extraHosts.flatMap((line) => {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const target = line.slice(colon + 1);
    if (colon < 1 || target === '') throw invalidArgument(`bad format for add-host: "${line}"`);
    const addresses = target === 'host-gateway' ? hostGateways : [target.replace(/^\[(.*)\]$/, '$1')];
    return addresses.map((ip) => ({ ip, names: [name] }));
  });
  const links = sandbox.links.flatMap(({ containerId, containerName, alias }) => {
    const target = linked(containerId);
    return target ? [{ ip: target.address, names: unique([alias, target.hostname, containerName]) }] : [];
  });
  const own = ownNames(sandbox);
  const self = sandbox.endpoints
    .flatMap(({ address, ipv6 }) => [address, ipv6?.address ?? ''])
    .filter((ip) => ip !== '')
    .map((ip) => ({ ip, names: own }));
  return own.length > 0 ? [...extra, ...links, ...self] : [...extra, ...links];
}

/** The whole name, and its first label where it has more than one, however the user has split it. */
function ownNames({ hostname, domainname }: SandboxRecord): string[] {
  if (hostname === '') return [];
  const whole = domainname === '' ? hostname : `${hostname}.${domainname}`;
  return unique([whole, whole.split('.')[0] ?? '']);
}

const unique = (names: string[]): string[] => [...new Set(names)].filter((name) => name !== '');
