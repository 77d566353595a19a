import { type TarEntry, tarError, utf8 } from './tar-header';

/** Keyword to value; values may be binary. */
export type PaxRecords = Map<string, Buffer>;

const XATTR_PREFIX = 'SCHILY.xattr.';

/** `LENGTH KEYWORD=VALUE\n` records (pax(1), "pax Extended Header"). */
export function parsePax(data: Buffer): PaxRecords {
  const records: PaxRecords = new Map();
  for (let at = 0; at < data.length;) {
    const space = data.indexOf(0x20, at);
    const digits = space < 0 ? '' : data.toString('latin1', at, space);
    if (!/^[0-9]{1,10}$/.test(digits)) throw tarError('invalid tar header');
    const end = at + Number(digits);
    const equals = data.indexOf(0x3d, space);
    if (end > data.length || equals < 0 || equals >= end || data[end - 1] !== 0x0a || end <= space) {
      throw tarError('invalid tar header');
    }
    records.set(utf8(data.subarray(space + 1, equals)), data.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** Puts what PAX says over what the header block says. An empty value takes the header's. */
export function applyPax(entry: TarEntry, records: PaxRecords): void {
  for (const [keyword, value] of records) {
    if (keyword.startsWith(XATTR_PREFIX)) {
      entry.xattrs.set(keyword.slice(XATTR_PREFIX.length), Buffer.from(value));
      continue;
    }
    if (keyword.startsWith('GNU.sparse.')) throw tarError('sparse files are not supported');
    if (value.length === 0) continue;
    if (keyword === 'path') entry.name = withoutNul(utf8(value));
    else if (keyword === 'linkpath') entry.linkName = withoutNul(utf8(value));
    else if (keyword === 'size') entry.size = integer(value);
    else if (keyword === 'uid') entry.uid = integer(value);
    else if (keyword === 'gid') entry.gid = integer(value);
    else if (keyword === 'mtime') entry.mtime = time(value);
  }
}

function withoutNul(value: string): string {
  if (value.includes('\0')) throw tarError('invalid tar header');
  return value;
}

function integer(value: Buffer): number {
  const result = Number(value.toString('latin1'));
  if (!Number.isSafeInteger(result) || result < 0) throw tarError('invalid tar header');
  return result;
}

/** Seconds with any number of decimals, `-1.5` being half a second before -1. */
function time(value: Buffer): TarEntry['mtime'] {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(value.toString('latin1'));
  if (!match) throw tarError('invalid tar header');
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? '').padEnd(9, '0').slice(0, 9));
  if (!match[1]) return { seconds, nanoseconds };
  return nanoseconds === 0
    ? { seconds: -seconds, nanoseconds: 0 }
    : { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds };
}
