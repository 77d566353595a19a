import { BLOCK, type TarEntry, type TarEntryType, checksum } from './tar-header';

const FLAGS: Partial<Record<TarEntryType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const MAX_OCTAL_7 = 0o7777777;
const MAX_OCTAL_11 = 0o77777777777;

/** The end of an archive: two blocks of zeros. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);

/**
 * The header blocks of one entry: ustar, with a PAX header before it for what ustar cannot say. The same entry gives the
 * same bytes everywhere.
 */
export function encodeHeader(entry: TarEntry): Buffer {
  const records = paxRecords(entry);
  const main = ustarBlock(entry, FLAGS[entry.type] ?? '0');
  if (records.length === 0) return main;
  const data = Buffer.concat(records);
  const header = ustarBlock(
    {
      ...entry,
      name: 'PaxHeaders.0/entry',
      linkName: '',
      size: data.length,
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: { seconds: 0, nanoseconds: 0 },
      major: 0,
      minor: 0,
    },
    'x',
  );
  return Buffer.concat([header, data, tarPadding(data.length), main]);
}

/** Zeros up to the next block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

export function newEntry(name: string, type: TarEntryType, size: number, mode: number): TarEntry {
  return {
    name,
    type,
    mode,
    uid: 0,
    gid: 0,
    size,
    mtime: { seconds: 0, nanoseconds: 0 },
    linkName: '',
    major: 0,
    minor: 0,
    xattrs: new Map(),
  };
}

function paxRecords(entry: TarEntry): Buffer[] {
  const records: Buffer[] = [];
  const add = (keyword: string, value: string | Buffer) => records.push(paxRecord(keyword, value));
  if (!fits(entry.name, 100)) add('path', entry.name);
  if (!fits(entry.linkName, 100)) add('linkpath', entry.linkName);
  if (entry.size > MAX_OCTAL_11) add('size', String(entry.size));
  if (entry.uid > MAX_OCTAL_7) add('uid', String(entry.uid));
  if (entry.gid > MAX_OCTAL_7) add('gid', String(entry.gid));
  const { seconds, nanoseconds } = entry.mtime;
  if (nanoseconds !== 0 || seconds < 0 || seconds > MAX_OCTAL_11) add('mtime', decimalTime(entry.mtime));
  for (const [name, value] of [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    add(`SCHILY.xattr.${name}`, value);
  }
  return records;
}

/** The length counts its own digits. */
function paxRecord(keyword: string, value: string | Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${keyword}=`), Buffer.from(value as string), Buffer.from('\n')]);
  let length = body.length;
  while (length !== body.length + String(length).length) length = body.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function decimalTime({ seconds, nanoseconds }: TarEntry['mtime']): string {
  const total = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  const absolute = total < 0n ? -total : total;
  const fraction = String(absolute % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${total < 0n ? '-' : ''}${absolute / 1_000_000_000n}${fraction && `.${fraction}`}`;
}

function fits(value: string, length: number): boolean {
  return value.length <= length && /^[\x00-\x7f]*$/.test(value);
}

function ustarBlock(entry: TarEntry, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, digits: number, max: number) => {
    block.write((value >= 0 && value <= max ? value : 0).toString(8).padStart(digits, '0'), offset, 'latin1');
  };
  Buffer.from(entry.name).copy(block, 0, 0, 100);
  octal(entry.mode & 0o7777, 100, 7, MAX_OCTAL_7);
  octal(entry.uid, 108, 7, MAX_OCTAL_7);
  octal(entry.gid, 116, 7, MAX_OCTAL_7);
  octal(entry.size, 124, 11, MAX_OCTAL_11);
  octal(entry.mtime.seconds, 136, 11, MAX_OCTAL_11);
  block.write(flag, 156, 'latin1');
  Buffer.from(entry.linkName).copy(block, 157, 0, 100);
  block.write('ustar\0' + '00', 257, 'latin1');
  octal(entry.major, 329, 7, MAX_OCTAL_7);
  octal(entry.minor, 337, 7, MAX_OCTAL_7);
  block.write(`${checksum(block).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
