import { internal } from '@gantry/shared/errors';
import { type Cidr, overlaps, parseCidr, sizeOf } from './cidr';

interface Pool {
  /** The range that is cut into subnets. */
  range: Cidr;
  /** Prefix length of each subnet. */
  size: number;
}

const pool = (range: string, size: number): Pool => {
  const parsed = parseCidr(range);
  if (!parsed) throw internal(`bad address pool ${range}`);
  return { range: parsed, size };
};

/** dockerd's defaults in its order; then /24s, so that a host does not run out at 31 networks. */
const DEFAULT_POOLS: Pool[] = [
  pool('172.17.0.0/16', 16),
  pool('172.18.0.0/16', 16),
  pool('172.19.0.0/16', 16),
  pool('172.20.0.0/14', 16),
  pool('172.24.0.0/14', 16),
  pool('172.28.0.0/14', 16),
  pool('192.168.0.0/16', 20),
  pool('10.128.0.0/9', 24),
];

/** The first default subnet that overlaps none of `taken`; undefined when all are used. */
export function firstFreeSubnet(taken: readonly Cidr[]): Cidr | undefined {
  for (const { range, size } of DEFAULT_POOLS) {
    const inRange = taken.filter((cidr) => overlaps(cidr, range));
    const end = range.base + sizeOf(range.prefix);
    for (let base = range.base; base < end; base += sizeOf(size)) {
      const candidate = { base, prefix: size };
      if (!inRange.some((cidr) => overlaps(cidr, candidate))) return candidate;
    }
  }
  return undefined;
}
