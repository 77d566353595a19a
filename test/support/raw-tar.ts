/** A tar block by block, so that every field can say what no writer would write. */
interface RawEntry {
  name?: string;
  /** POSIX type flag; `x` and `g` are PAX records, `L` and `K` GNU's long names. */
  flag?: string;
  linkName?: string;
  prefix?: string;
  mode?: number;
  /** The field as it is, where it is not the length of the body. */
  size?: Buffer;
  major?: number;
  minor?: number;
  body?: Buffer | string;
  badChecksum?: boolean;
}

const BLOCK = 512;

/** @param end whether the archive ends as it should */
export function rawTar(entries: RawEntry[], end = true): Buffer {
  const parts = entries.flatMap((entry) => {
    const body = Buffer.from(entry.body ?? '');
    return [header(entry, body.length), body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)];
  });
  return Buffer.concat([...parts, Buffer.alloc(end ? 2 * BLOCK : 0)]);
}

/** PAX records for the next entry; `global` for all that follow. */
export function pax(records: Record<string, string>, { global = false } = {}): RawEntry {
  const body = Object.entries(records).map(([keyword, value]) => record(keyword, value));
  return { name: 'pax', flag: global ? 'g' : 'x', body: Buffer.concat(body) };
}

/** GNU's name (`L`) or link name (`K`) of the next entry. */
export const gnuLong = (flag: 'L' | 'K', value: string): RawEntry => ({
  name: '././@LongLink',
  flag,
  body: `${value}\0`,
});

/** A size in base 256, as GNU tar writes what octal has no room for. */
export function binarySize(value: bigint): Buffer {
  const field = Buffer.alloc(12);
  for (let at = 11, rest = BigInt.asUintN(96, value); at >= 0; at--, rest >>= 8n) {
    field[at] = Number(rest & 0xffn);
  }
  field[0] = (field[0] ?? 0) | 0x80;
  return field;
}

function record(keyword: string, value: string): Buffer {
  const body = Buffer.from(` ${keyword}=${value}\n`);
  let length = body.length;
  while (length !== body.length + String(length).length) length = body.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function header(entry: RawEntry, length: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, '0'), offset, 'latin1');
  block.write(entry.name ?? '', 0, 100);
  octal(entry.mode ?? 0o644, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  if (entry.size) entry.size.copy(block, 124, 0, 12);
  else octal(length, 124, 11);
  octal(0, 136, 11);
  block.write(entry.flag ?? '0', 156, 'latin1');
  block.write(entry.linkName ?? '', 157, 100);
  block.write('ustar\0' + '00', 257, 'latin1');
  octal(entry.major ?? 0, 329, 7);
  octal(entry.minor ?? 0, 337, 7);
  block.write(entry.prefix ?? '', 345, 155);
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${(sum + (entry.badChecksum ? 1 : 0)).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
