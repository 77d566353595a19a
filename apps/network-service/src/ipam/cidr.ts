import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { addressBytes, addressText } from '@gantry/shared/linux';

export type Family = 4 | 6;

/** An IP address: its bytes as one unsigned number. */
export interface Ip {
  family: Family;
  value: bigint;
}

export interface Cidr {
  family: Family;
  base: bigint;
  prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

/** undefined for what is no address of either family. */
export function parseIp(text: string): Ip | undefined {
  const family = text.includes('%') ? 0 : isIP(text);
  if (family !== 4 && family !== 6) return undefined;
  return { family, value: BigInt(`0x${addressBytes(text).toString('hex')}`) };
}

/** The shortest spelling. */
export function formatIp({ family, value }: Ip): string {
  return addressText(Buffer.from(value.toString(16).padStart(BITS[family] / 4, '0'), 'hex'));
}

/** `10.0.0.0/8`, `fd00::/64`; an address inside the subnet is cut to its base. undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const [address, length, ...rest] = text.split('/');
  const ip = parseIp(address ?? '');
  if (ip === undefined || rest.length > 0 || !/^\d{1,3}$/.test(length ?? '')) return undefined;
  const prefix = Number(length);
  if (prefix > BITS[ip.family]) return undefined;
  return { family: ip.family, base: ip.value - (ip.value % sizeOf({ family: ip.family, prefix })), prefix };
}

export function formatCidr({ family, base, prefix }: Cidr): string {
  return `${formatIp({ family, value: base })}/${prefix}`;
}

/** How many addresses a subnet holds. */
export function sizeOf({ family, prefix }: Pick<Cidr, 'family' | 'prefix'>): bigint {
  return 1n << BigInt(BITS[family] - prefix);
}

/** The address after the last one of a subnet. */
export function endOf(cidr: Cidr): bigint {
  return cidr.base + sizeOf(cidr);
}

export function contains(cidr: Cidr, ip: Ip): boolean {
  return cidr.family === ip.family && ip.value >= cidr.base && ip.value < endOf(cidr);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.base < endOf(b) && b.base < endOf(a);
}

/** fe80::/10 and 169.254.0.0/16. */
export function isLinkLocal(ip: Ip): boolean {
  return ip.family === 4 ? ip.value >> 16n === 0xa9fen : ip.value >> 118n === 0xfe80n >> 6n;
}

/**
 * The MAC address of an endpoint: 02:42 and the four bytes of its IPv4 address, as Docker does, so that whoever gets the
 * address later is known to the neighbours already. Without one, four bytes that its IPv6 address decides.
 */
export function macFor(ip: Ip): string {
  const bytes = ip.family === 4 ? addressBytes(formatIp(ip)) : digestOf(ip);
  return ['02', '42', ...[...bytes].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

const digestOf = (ip: Ip): Buffer => createHash('sha256').update(formatIp(ip)).digest().subarray(0, 4);
