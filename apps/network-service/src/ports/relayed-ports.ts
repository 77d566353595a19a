import { isIPv6 } from 'node:net';
import type { PublishedPort } from '../records/sandbox-record';

/**
 * Whether a published port needs the relay: nftables cannot translate between IPv6 and IPv4, and the kernel routes
 * nothing from ::1 to a container.
 */
export function isRelayed({ protocol, hostIp, address }: PublishedPort): boolean {
  if (protocol === 'sctp') return false;
  return isIPv6(hostIp) !== isIPv6(address) || hostIp === '::' || hostIp === '::1';
}
