/** An IPv4 subnet. Addresses are unsigned 32-bit numbers. */
export interface Cidr {
  base: number;
  prefix: number;
}

/** undefined for anything that is not four decimal octets. */
export function parseIp(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  const octets = match.slice(1).map(Number);
  if (octets.some((octet) => octet > 255)) return undefined;
  return octets.reduce((value, octet) => value * 256 + octet, 0);
}

export function formatIp(ip: number): string {
  return [24, 16, 8, 0].map((shift) => (ip >>> shift) & 255).join('.');
}

/** `10.0.0.0/8`; an address inside the subnet is cut to its base. undefined for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const [address, length, ...rest] = text.split('/');
  const ip = parseIp(address ?? '');
  if (ip === undefined || rest.length > 0 || !/^\d{1,2}$/.test(length ?? '')) return undefined;
  const prefix = Number(length);
  return prefix > 32 ? undefined : { base: ip - (ip % sizeOf(prefix)), prefix };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr.base)}/${cidr.prefix}`;
}

/** How many addresses a prefix of this length holds. */
export function sizeOf(prefix: number): number {
  return 2 ** (32 - prefix);
}

export function contains(cidr: Cidr, ip: number): boolean {
  return ip >= cidr.base && ip < cidr.base + sizeOf(cidr.prefix);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return a.base < b.base + sizeOf(b.prefix) && b.base < a.base + sizeOf(a.prefix);
}

/** The MAC address Docker gives an endpoint: 02:42 and the four bytes of its address. */
export function macFor(ip: number): string {
  const bytes = [24, 16, 8, 0].map((shift) => (ip >>> shift) & 255);
  return [0x02, 0x42, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
