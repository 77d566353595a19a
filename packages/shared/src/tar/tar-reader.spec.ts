import type { TarEntry } from './tar-header';
import { TarReader } from './tar-reader';
import { type Member, tarOf } from './small-archive';

interface Seen extends TarEntry {
  data: string;
}

function read(archive: Buffer, chunk: number): { seen: Seen[]; bytes: Buffer } {
  const seen: Seen[] = [];
  const all: Buffer[] = [];
  const reader = new TarReader({
    raw: (bytes) => all.push(Buffer.from(bytes)),
    entry: (entry) => seen.push({ ...entry, data: '' }),
    content: (bytes) => {
      all.push(Buffer.from(bytes));
      const last = seen.at(-1);
      if (last) last.data += bytes.toString();
    },
    endOfEntry: () => {},
  });
  for (let at = 0; at < archive.length; at += chunk) reader.write(archive.subarray(at, at + chunk));
  reader.end();
  return { seen, bytes: Buffer.concat(all) };
}

const members: Member[] = [
  { name: 'd/', type: 'directory', uid: 5, gid: 6 },
  {
    name: 'd/file',
    type: 'file',
    data: 'x'.repeat(1300),
    mode: 0o4755,
    mtime: { seconds: 1, nanoseconds: 5 },
  },
  { name: 'd/empty', type: 'file' },
  { name: `${'long/'.repeat(60)}name`, type: 'file', data: 'long' },
  { name: 'ü', type: 'symlink', linkName: 'ä'.repeat(80) },
  { name: 'dev', type: 'block', major: 8, minor: 300 },
  { name: 'old', type: 'file', mtime: { seconds: -2, nanoseconds: 500_000_000 }, uid: 4_000_000 },
  {
    name: 'x',
    type: 'file',
    xattrs: new Map([['security.capability', Buffer.from([1, 0, 0x3d, 0x0a, 255])]]),
  },
];

describe('tar reader', () => {
  test.each([1, 7, 512, 513, 100_000])('reads what the writer wrote, in chunks of %d', (chunk) => {
    const archive = tarOf(members);
    const { seen, bytes } = read(archive, chunk);
    expect(seen).toHaveLength(members.length);
    members.forEach(({ data = '', ...member }, index) =>
      expect(seen[index]).toMatchObject({ ...member, data }),
    );
    expect(bytes.equals(archive)).toBe(true);
  });

  test('GNU long names and base-256 numbers', () => {
    const name = 'g'.repeat(150);
    const meta = tarOf([{ name: '././@LongLink', type: 'file', data: `${name}\0` }]).subarray(0, 1024);
    const file = tarOf([{ name: 'short', type: 'file', data: 'data' }]);
    const uid = Buffer.from([0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xf0]);
    uid.copy(file, 108);
    meta[156] = 'L'.charCodeAt(0);
    resign(meta);
    resign(file);
    expect(read(Buffer.concat([meta, file]), 512).seen).toMatchObject([
      { name, data: 'data', uid: 0xfffffff0 },
    ]);
  });

  test.each([
    ['garbage', Buffer.from('garbage\n'), 'invalid tar header'],
    ['a block of garbage', Buffer.alloc(1024, 'g'), 'invalid tar header'],
    ['a truncated file', tarOf(members).subarray(0, 1536), 'unexpected EOF'],
    ['a name that is not UTF-8', withName(Buffer.from([0xff, 0xfe])), 'not UTF-8'],
  ])('refuses %s', (_title, archive, message) => {
    expect(() => read(archive, 512)).toThrow(`archive/tar: `);
    expect(() => read(archive, 512)).toThrow(message);
  });

  test('takes a last file without its padding', () => {
    const archive = tarOf([{ name: 'a', type: 'file', data: 'data' }]);
    expect(read(archive.subarray(0, 516), 512).seen).toMatchObject([{ name: 'a', data: 'data' }]);
    expect(() => read(archive.subarray(0, 515), 512)).toThrow('unexpected EOF');
  });

  test('refuses PAX records that lie about their length', () => {
    const archive = tarOf([{ name: 'pax', type: 'file', data: '999 path=x\n' }]);
    archive[156] = 'x'.charCodeAt(0);
    resign(archive);
    expect(() => read(archive, 512)).toThrow('invalid tar header');
  });
});

function withName(name: Buffer): Buffer {
  const archive = tarOf([{ name: 'aa', type: 'file' }]);
  name.copy(archive, 0);
  resign(archive);
  return archive;
}

function resign(archive: Buffer): void {
  archive.fill(' ', 148, 156);
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
