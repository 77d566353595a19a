import { createHash } from 'node:crypto';
import { SettingError } from '@gantry/shared/config';
import { internal } from '@gantry/shared/errors';
import { type Cidr, endOf, type Family, overlaps, parseCidr, sizeOf } from './cidr';

/** A range that is cut into subnets for networks whose user names none. */
export interface AddressPool {
  range: Cidr;
  /** Prefix length of each subnet. */
  size: number;
}

/** See ADR 0012. */
export interface AddressPools {
  /** For the default bridge, which has to hold most of a host's containers. */
  defaultBridge: AddressPool[];
  /** For all other networks. */
  networks: AddressPool[];
}

const pool = (range: string, size: number): AddressPool => {
  const parsed = parseCidr(range);
  if (!parsed) throw internal(`bad address pool ${range}`);
  return { range: parsed, size };
};

/** What dockerd uses, and behind it a half of 10/8, far from where offices and clouds begin to count. */
const RANGES = ['172.18.0.0/15', '172.20.0.0/14', '172.24.0.0/14', '172.28.0.0/14', '10.128.0.0/9'];
const BRIDGE_SIZE = 16;
const NETWORK_SIZE = 24;
const IPV6_SIZE = 64;

/**
 * GANTRY_DEFAULT_ADDRESS_POOLS, in the words of dockerd's --default-address-pool: `base=172.30.0.0/16,size=24`, several
 * separated by spaces.
 * @throws SettingError that says what is wrong
 */
export function parseAddressPools(configured: string): AddressPool[] {
  return configured
    .split(/\s+/)
    .filter((part) => part !== '')
    .map(parsePool);
}

/**
 * @param configured GANTRY_DEFAULT_ADDRESS_POOLS
 * @param nodeId decides the unique local IPv6 prefix (RFC 4193) of this host where none is configured
 * @throws Error that says what is wrong
 */
export function addressPools(configured: string, nodeId: string): AddressPools {
  const pools = parseAddressPools(configured);
  const of = (family: Family, defaults: AddressPool[]): AddressPool[] => {
    const own = pools.filter(({ range }) => range.family === family);
    return own.length > 0 ? own : defaults;
  };
  const ipv6 = of(6, [uniqueLocalPool(nodeId)]);
  return {
    defaultBridge: [
      ...of(
        4,
        ['172.17.0.0/16', ...RANGES].map((range) => pool(range, BRIDGE_SIZE)),
      ),
      ...ipv6,
    ],
    networks: [
      ...of(
        4,
        RANGES.map((range) => pool(range, NETWORK_SIZE)),
      ),
      ...ipv6,
    ],
  };
}

/** The first subnet of the pools that overlaps none of `taken`; undefined when all are used. */
export function firstFreeSubnet(
  pools: readonly AddressPool[],
  family: Family,
  taken: readonly Cidr[],
): Cidr | undefined {
  for (const { range, size } of pools) {
    if (range.family !== family) continue;
    const inRange = taken
      .filter((cidr) => overlaps(cidr, range))
      .sort((a, b) => (a.base < b.base ? -1 : a.base > b.base ? 1 : 0));
    const step = sizeOf({ family, prefix: size });
    let base = range.base;
    for (const cidr of inRange) {
      if (cidr.base >= base + step) break;
      // On to the first boundary behind it.
      if (endOf(cidr) > base) base = ((endOf(cidr) + step - 1n) / step) * step;
    }
    if (base + step <= endOf(range)) return { family, base, prefix: size };
  }
  return undefined;
}

function parsePool(text: string): AddressPool {
  const match = /^base=([^,]+),size=(\d{1,3})$/.exec(text);
  const range = match?.[1] ? parseCidr(match[1]) : undefined;
  const size = Number(match?.[2]);
  const bits = range?.family === 6 ? 128 : 32;
  if (!range || size < range.prefix || size > bits - 2) {
    throw new SettingError(
      `GANTRY_DEFAULT_ADDRESS_POOLS: ${text}: has to be base=<subnet>,size=<prefix length inside it>`,
    );
  }
  return { range, size };
}

function uniqueLocalPool(nodeId: string): AddressPool {
  const id = createHash('sha256').update(nodeId).digest('hex');
  return pool(`fd${id.slice(0, 2)}:${id.slice(2, 6)}:${id.slice(6, 10)}::/48`, IPV6_SIZE);
}
