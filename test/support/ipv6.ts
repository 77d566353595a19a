import { networkInterfaces } from 'node:os';

/** Whether the host has IPv6, as far as its loopback shows: containers may have it without. */
export const hasIpv6 = (networkInterfaces()['lo'] ?? []).some(({ address }) => address === '::1');

/** For what cannot be seen on a host without. */
export const itWithIpv6 = hasIpv6 ? it : it.skip;

/** Of the host. */
export const loopbacks = hasIpv6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'];
