import { isIPv4, isIPv6 } from 'node:net';

export const AF_INET = 2;
export const AF_INET6 = 10;

/** An IP address as the kernel wants it: 4 or 16 bytes. A zone (`%eth0`) is ignored. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [plain = ''] = address.split('%');
  if (!isIPv6(plain)) throw new RangeError(`not an IP address: ${address}`);
  // An embedded IPv4 address stands for the last two groups.
  const hexadecimal = plain.replace(/[\d.]+$/, (tail) =>
    tail.includes('.')
      ? Buffer.from(tail.split('.').map(Number)).toString('hex').replace(/^.{4}/, '$&:')
      : tail,
  );
  const [head = '', tail] = hexadecimal.split('::');
  const groups = (part: string | undefined): number[] =>
    part ? part.split(':').map((group) => parseInt(group, 16)) : [];
  const [left, right] = [groups(head), groups(tail)];
  const zeros = new Array<number>(8 - left.length - right.length).fill(0);
  const bytes = Buffer.alloc(16);
  [...left, ...zeros, ...right].forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}

/** The shortest spelling, for IPv6 that of RFC 5952. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  const whole = groups.join(':');
  const zeros = [...whole.matchAll(/(?<![^:])0(?::0)+(?![^:])/g)]
    .map((match) => ({ at: match.index, length: match[0].length }))
    .reduce((best, run) => (run.length > best.length ? run : best), { at: 0, length: 0 });
  if (zeros.length === 0) return whole;
  const left = whole.slice(0, zeros.at).replace(/:$/, '');
  const right = whole.slice(zeros.at + zeros.length).replace(/^:/, '');
  return `${left}::${right}`;
}

export function familyOf(bytes: Buffer): number {
  return bytes.length === 4 ? AF_INET : AF_INET6;
}

/** `10.0.0.1/8`; without a prefix length the address alone is meant (32 or 128). */
export function parsePrefix(prefix: string): { bytes: Buffer; length: number } {
  const [address = '', length] = prefix.split('/', 2);
  const bytes = addressBytes(address);
  const bits = length === undefined ? bytes.length * 8 : Number(length);
  if (!Number.isInteger(bits) || bits < 0 || bits > bytes.length * 8) {
    throw new RangeError(`not a network prefix: ${prefix}`);
  }
  return { bytes, length: bits };
}

export function macBytes(mac: string): Buffer {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw new RangeError(`not a MAC address: ${mac}`);
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export function macText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/..(?=.)/g, '$&:');
}
