import { invalidArgument } from '../errors';

export const BLOCK = 512;
const ZEROS = Buffer.alloc(BLOCK);

export type TarEntryType =
  'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo' | 'global' | 'other';

/** One member of a tar archive, with what GNU and PAX headers say of it. */
export interface TarEntry {
  /** As in the archive: may be absolute, may have `..`. */
  name: string;
  type: TarEntryType;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of content that follow. */
  size: number;
  mtime: { seconds: number; nanoseconds: number };
  linkName: string;
  major: number;
  minor: number;
  xattrs: Map<string, Buffer>;
}

/** The fixed fields of a header block; `flag` is the type flag, of which PAX and GNU have their own. */
export interface RawHeader extends TarEntry {
  flag: string;
}

const TYPES: Record<string, TarEntryType> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

export const tarError = (detail: string) => invalidArgument(`archive/tar: ${detail}`);

/** POSIX.1-1988, ustar and GNU header blocks (tar(5)). @throws InvalidArgument `archive/tar: invalid tar header`. */
export function decodeHeader(block: Buffer): RawHeader {
  if (number(block, 148, 8) !== checksum(block)) throw tarError('invalid tar header');
  const magic = block.toString('latin1', 257, 265);
  const isUstar = magic.startsWith('ustar\0');
  const isGnu = magic === 'ustar  \0';
  let name = text(block, 0, 100);
  if (isUstar) {
    const prefix = text(block, 345, 155);
    if (prefix !== '') name = `${prefix}/${name}`;
  }
  const flag = String.fromCharCode(block[156] ?? 0);
  const hasDevice = isUstar || isGnu;
  return {
    name,
    type: TYPES[flag] ?? 'other',
    flag,
    mode: number(block, 100, 8) & 0o7777,
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    mtime: { seconds: number(block, 136, 12), nanoseconds: 0 },
    linkName: text(block, 157, 100),
    major: hasDevice ? number(block, 329, 8) : 0,
    minor: hasDevice ? number(block, 337, 8) : 0,
    xattrs: new Map(),
  };
}

export function isZeroBlock(block: Buffer): boolean {
  return block.equals(ZEROS);
}

export function checksum(block: Buffer): number {
  let sum = 8 * 32;
  for (let i = 0; i < 148; i++) sum += block[i] ?? 0;
  for (let i = 156; i < BLOCK; i++) sum += block[i] ?? 0;
  return sum;
}

/** Names that are not UTF-8 cannot be told apart once they are strings: they are refused. */
export function utf8(bytes: Buffer): string {
  const decoded = bytes.toString('utf8');
  if (decoded.includes('\ufffd') && !Buffer.from(decoded, 'utf8').equals(bytes)) {
    throw tarError(`a name is not UTF-8: ${JSON.stringify(decoded)}`);
  }
  return decoded;
}

function text(block: Buffer, offset: number, length: number): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return utf8(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or GNU's base-256 where the first bit is set. */
function number(block: Buffer, offset: number, length: number): number {
  const first = block[offset] ?? 0;
  if (first & 0x80) {
    const negative = (first & 0x40) !== 0;
    let value = negative ? -1n : 0n;
    for (let i = 0; i < length; i++) {
      const byte = i === 0 ? (negative ? first : first & 0x7f) : (block[offset + i] ?? 0);
      value = i === 0 && negative ? BigInt.asIntN(8, BigInt(byte)) : (value << 8n) | BigInt(byte);
    }
    const result = Number(value);
    if (!Number.isSafeInteger(result)) throw tarError('invalid tar header');
    return result;
  }
  const digits = block.toString('latin1', offset, offset + length).replace(/^[ \0]+|[ \0]+$/g, '');
  if (digits === '') return 0;
  if (!/^[0-7]+$/.test(digits)) throw tarError('invalid tar header');
  return parseInt(digits, 8);
}
