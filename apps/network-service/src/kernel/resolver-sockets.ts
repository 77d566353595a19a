import { closeSync } from 'node:fs';
import { type BoundSocket, hasCode, type Linux } from '@gantry/shared/linux';
import type { ResolverSockets } from './plans';
import { RESOLVER_ADDRESS } from './resolver-address';

const TABLE = 'ip gantry_dns';

/**
 * The sockets of the resolver, and the rule that leads port 53 there, in the namespace that the thread is in.
 * @param wanted the port of an earlier call for this namespace: with it nothing inside changes. Another is taken where
 *   that one is not free any more.
 */
export function openResolverSockets(
  linux: Pick<Linux, 'sockets' | 'nftables'>,
  wanted: number,
): ResolverSockets {
  const { udp, tcp } = bindBoth(linux, wanted);
  try {
    leadThere(linux, udp.port, wanted);
    return { udp: udp.fd, tcp: tcp.fd, port: udp.port };
  } catch (error) {
    closeSync(udp.fd);
    closeSync(tcp.fd);
    throw error;
  }
}

function bindBoth({ sockets }: Pick<Linux, 'sockets'>, port: number): { udp: BoundSocket; tcp: BoundSocket } {
  let udp: BoundSocket | undefined;
  try {
    udp = sockets.bind({ protocol: 'udp', address: RESOLVER_ADDRESS, port });
    return { udp, tcp: sockets.bind({ protocol: 'tcp', address: RESOLVER_ADDRESS, port: udp.port }) };
  } catch (error) {
    if (udp) closeSync(udp.fd);
    // A connection of before may still be closing; any port will do.
    if (port === 0 || !hasCode(error, 'EADDRINUSE')) throw error;
    return bindBoth({ sockets }, 0);
  }
}

/**
 * A table that leads to the port already is left as it is: to replace one, or only to fail to add one, takes the kernel
 * 16 ms.
 */
function leadThere({ nftables }: Pick<Linux, 'nftables'>, port: number, before: number): void {
  const rule = (protocol: string) =>
    `add rule ${TABLE} output ip daddr ${RESOLVER_ADDRESS} ${protocol} dport 53 dnat to ${RESOLVER_ADDRESS}:${port}`;
  const present = before === 0 ? undefined : presentTable(nftables);
  if (present !== undefined && port === before && present.includes(`"port": ${port}`)) return;
  nftables.run(
    [
      ...(present === undefined ? [] : [`delete table ${TABLE}`]),
      `add table ${TABLE}`,
      `add chain ${TABLE} output { type nat hook output priority -100; }`,
      rule('udp'),
      rule('tcp'),
    ].join('\n'),
  );
}

/** As text; undefined where there is none. */
function presentTable(nftables: Linux['nftables']): string | undefined {
  try {
    return JSON.stringify(nftables.query(`list table ${TABLE}`), undefined, 1);
  } catch (error) {
    if (String(error).includes('No such file or directory')) return undefined;
    throw error;
  }
}
