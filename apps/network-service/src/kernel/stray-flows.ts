import { isIPv6 } from 'node:net';
import type { ConntrackSocket } from '@gantry/shared/linux';
import type { PublishedPort } from '../records/sandbox-record';

/**
 * Rules are asked for the first packet of a flow only, and a UDP client that sends on and on never begins another: after a
 * port was published or given back, the kernel has to forget what it has decided for it before.
 * @param local the host's addresses: what only passes through to the same port elsewhere is not meant
 */
export function forgetStrayFlows(
  conntrack: ConntrackSocket,
  ports: readonly PublishedPort[],
  local: ReadonlySet<string>,
): void {
  for (const family of [4, 6] as const) {
    const mine = ports.filter(
      ({ protocol, hostIp }) => protocol === 'udp' && isIPv6(hostIp) === (family === 6),
    );
    const hostPorts = new Set(mine.map(({ hostPort }) => hostPort));
    const [only] = hostPorts;
    if (only === undefined) continue;
    conntrack.forgetUdp(family, hostPorts.size === 1 ? only : undefined, ({ destination, destinationPort }) =>
      mine.some(
        ({ hostIp, hostPort }) =>
          hostPort === destinationPort &&
          (hostIp === '0.0.0.0' || hostIp === '::' ? local.has(destination) : hostIp === destination),
      ),
    );
  }
}
