import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createLinux } from '@gantry/shared/linux';
import { type Member, tarOf } from '@gantry/shared/tar';
import { LAYER_SPLIT, LAYER_TAR } from './layer-files';
import { tarOfUpper } from './overlay-tar';
import { loadImageSettings } from '../image-settings';
import { reassemble } from './tar-split';
import { unpackLayer, type UnpackedLayer } from './unpack-layer';

const linux = createLinux();
const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

let base: string;
let layer: string;
let outside: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'unpack-'));
  layer = join(base, 'layer');
  outside = join(base, 'outside');
  mkdirSync(layer);
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'untouched');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const limits = loadImageSettings({}).layerLimits;
const diff = (...path: string[]): string => join(layer, 'diff', ...path);

async function unpack(
  archive: Buffer,
  compression: 'none' | 'gzip' = 'none',
  digest?: string,
): Promise<UnpackedLayer> {
  const path = join(base, 'archive');
  const bytes = compression === 'gzip' ? gzipSync(archive) : archive;
  writeFileSync(path, bytes);
  const source = { kind: 'file', path, offset: 0, size: bytes.length, digest } as const;
  return unpackLayer(linux, { source, directory: layer, limits });
}

async function again(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of reassemble(linux, join(layer, LAYER_SPLIT), diff())) parts.push(Buffer.from(part));
  return Buffer.concat(parts);
}

describe('unpacking a layer', () => {
  const ordinary: Member[] = [
    { name: './', type: 'directory', mode: 0o750 },
    { name: 'bin/', type: 'directory', mtime: { seconds: 1_000_000, nanoseconds: 7 } },
    {
      name: 'bin/su',
      type: 'file',
      data: '#!',
      mode: 0o4755,
      uid: 3,
      gid: 4,
      mtime: { seconds: 5, nanoseconds: 123_456_789 },
    },
    { name: 'bin/hard', type: 'link', linkName: 'bin/su' },
    { name: 'bin/sym', type: 'symlink', linkName: '/anywhere/../else', uid: 7 },
    { name: 'bin/symhard', type: 'link', linkName: './bin/sym' },
    { name: 'no/parent/entry', type: 'file', data: 'deep' },
    { name: '/absolute', type: 'file', data: 'inside' },
    { name: 'null', type: 'character', major: 1, minor: 3, mode: 0o666 },
    { name: 'pipe', type: 'fifo', mode: 0o600 },
    { name: 'cap', type: 'file', xattrs: new Map([['user.color', Buffer.from([0, 1, 255])]]) },
  ];

  test('owners, modes, links, devices, attributes and times are those of the archive', async () => {
    const archive = tarOf(ordinary);
    const { diffId, size, archiveSize } = await unpack(archive);
    expect({ diffId, size, archiveSize }).toEqual({
      diffId: sha256(archive),
      size: 12,
      archiveSize: archive.length,
    });
    const su = lstatSync(diff('bin/su'), { bigint: true });
    expect([Number(su.mode) & 0o7777, su.uid, su.gid, su.mtimeNs]).toEqual([0o4755, 3n, 4n, 5_123_456_789n]);
    expect(lstatSync(diff('bin'), { bigint: true }).mtimeNs).toBe(1_000_000_000_000_007n);
    expect(statSync(diff('bin/hard')).ino).toBe(Number(su.ino));
    expect(readlinkSync(diff('bin/sym'))).toBe('/anywhere/../else');
    expect(lstatSync(diff('bin/sym')).uid).toBe(7);
    expect(lstatSync(diff('bin/symhard')).isSymbolicLink()).toBe(true);
    expect(readFileSync(diff('no/parent/entry'), 'utf8')).toBe('deep');
    expect(readFileSync(diff('absolute'), 'utf8')).toBe('inside');
    expect(linux.files.statAt(-100, diff('null'))).toMatchObject({ major: 1, minor: 3 });
    expect(lstatSync(diff('pipe')).isFIFO()).toBe(true);
    expect(linux.files.getXattr(diff('cap'), 'user.color')).toEqual(Buffer.from([0, 1, 255]));
    expect(lstatSync(diff()).mode & 0o777).toBe(0o750);
  });

  test('the archive can be made again, byte for byte', async () => {
    const archive = tarOf(ordinary);
    await unpack(archive);
    expect(existsSync(join(layer, LAYER_TAR))).toBe(false);
    expect((await again()).equals(archive)).toBe(true);
  });

  test('a gzip archive has the digest of its bytes and the diff id of its content', async () => {
    const archive = tarOf(ordinary);
    await expect(unpack(archive, 'gzip', sha256(gzipSync(archive)))).resolves.toMatchObject({
      diffId: sha256(archive),
    });
  });

  test('wrong digests and corrupt compression are refused', async () => {
    await expect(unpack(tarOf(ordinary), 'gzip', sha256(Buffer.from('')))).rejects.toThrow(
      'filesystem layer verification failed',
    );
    rmSync(layer, { recursive: true });
    mkdirSync(layer);
    const path = join(base, 'bad.gz');
    const bytes = gzipSync(tarOf(ordinary));
    bytes.fill(0, 40, 60);
    writeFileSync(path, bytes);
    const source = { kind: 'file', path, offset: 0, size: bytes.length } as const;
    const task = { source, directory: layer, limits };
    await expect(unpackLayer(linux, task)).rejects.toMatchObject({ kind: 'InvalidArgument' });
  });

  test('an archive that says one name twice is kept whole', async () => {
    await unpack(
      tarOf([
        { name: 'a', type: 'file', data: 'first' },
        { name: 'a', type: 'file', data: 'second' },
        { name: 'dir/in', type: 'file', data: 'gone' },
        { name: 'dir', type: 'symlink', linkName: 'a' },
      ]),
    );
    expect(readFileSync(diff('a'), 'utf8')).toBe('second');
    expect(readlinkSync(diff('dir'))).toBe('a');
    expect(existsSync(join(layer, LAYER_TAR))).toBe(true);
  });

  test('whiteouts become what overlayfs understands, and whiteouts again', async () => {
    await unpack(
      tarOf([
        { name: 'dir/', type: 'directory' },
        { name: 'dir/.wh..wh..opq', type: 'file' },
        { name: 'dir/.wh.gone', type: 'file' },
        { name: '.wh..wh.plnk/1', type: 'file', data: 'kept: the directory is no whiteout' },
        { name: '.wh..wh.aufs', type: 'file' },
      ]),
    );
    expect(linux.files.statAt(-100, diff('dir/gone'))).toMatchObject({ major: 0, minor: 0 });
    expect(lstatSync(diff('dir/gone')).isCharacterDevice()).toBe(true);
    expect(linux.files.getXattr(diff('dir'), 'trusted.overlay.opaque')?.toString()).toBe('y');
    expect(existsSync(diff('.wh..wh.aufs'))).toBe(false);
    const names = Buffer.concat([...tarOfUpper(linux, diff())]).toString('latin1');
    expect(names).toContain('dir/.wh..wh..opq');
    expect(names).toContain('dir/.wh.gone');
  });
});

describe('a hostile archive', () => {
  const nothingHappened = () => {
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('untouched');
    expect(lstatSync(join(outside, 'secret')).nlink).toBe(1);
    expect(existsSync(join(outside, 'new'))).toBe(false);
  };
  const up = '../'.repeat(20);

  test.each<[string, (secret: string) => Member[]]>([
    ['dots in a name', (secret) => [{ name: `${up}${secret}`, type: 'file', data: 'bad' }]],
    ['dots behind a directory', (secret) => [{ name: `a/b/../../..${secret}`, type: 'file', data: 'bad' }]],
    ['a hard link by dots', (secret) => [{ name: 'x', type: 'link', linkName: `${up}${secret}` }]],
    ['a hard link to what is not in the layer', (secret) => [{ name: 'x', type: 'link', linkName: secret }]],
    ['a hard link to the root', () => [{ name: 'x', type: 'link', linkName: '/' }]],
    ['a whiteout of ..', () => [{ name: 'a/.wh...', type: 'file' }]],
    ['a whiteout of nothing', () => [{ name: 'a/.wh.', type: 'file' }]],
    ['a name of 300 bytes', () => [{ name: 'n'.repeat(300), type: 'file' }]],
    ['a path of 5,000 bytes', () => [{ name: `${'p'.repeat(100)}/`.repeat(50) + 'x', type: 'file' }]],
    ['a file for a root', () => [{ name: './', type: 'file', data: 'x' }]],
    [
      'a file below a file',
      () => [
        { name: 'f', type: 'file' },
        { name: 'f/g', type: 'file' },
      ],
    ],
    [
      'a symlink that means itself',
      () => [
        { name: 'l', type: 'symlink', linkName: 'l' },
        { name: 'l/x', type: 'file' },
      ],
    ],
    [
      'an attribute of overlayfs',
      () => [{ name: 'x', type: 'file', xattrs: new Map([['trusted.overlay.redirect', Buffer.from('/')]]) }],
    ],
    ['no type', () => [{ name: 'x', type: 'other' }].map((m) => ({ ...m, type: 'other' }) as Member)],
  ])('ends with a clear error: %s', async (title, members) => {
    const archive = tarOf(members(join(outside, 'secret')));
    if (title === 'no type') relabel(archive, 'V');
    await expect(unpack(archive)).rejects.toMatchObject({ kind: 'InvalidArgument' });
    nothingHappened();
  });

  test.each<[string, (directory: string) => Member[]]>([
    [
      'a file through an absolute symlink',
      (directory) => [
        { name: 'link', type: 'symlink', linkName: directory },
        { name: 'link/secret', type: 'file', data: 'bad' },
      ],
    ],
    [
      'a file through a relative symlink',
      (directory) => [
        { name: 'link', type: 'symlink', linkName: `${up}${directory}` },
        { name: 'link/new', type: 'file', data: 'bad' },
      ],
    ],
    [
      'a file over a symlink to a file',
      (directory) => [
        { name: 'link', type: 'symlink', linkName: join(directory, 'secret') },
        { name: 'link', type: 'file', data: 'bad' },
      ],
    ],
    [
      'a whiteout through a symlink',
      (directory) => [
        { name: 'link', type: 'symlink', linkName: directory },
        { name: 'link/.wh.secret', type: 'file' },
      ],
    ],
    [
      'an opaque mark through a symlink',
      (directory) => [
        { name: 'link', type: 'symlink', linkName: directory },
        { name: 'link/.wh..wh..opq', type: 'file' },
      ],
    ],
    [
      'a hard link through a symlink',
      (directory) => [
        { name: 'link', type: 'symlink', linkName: directory },
        { name: 'stolen', type: 'link', linkName: 'link/secret' },
      ],
    ],
    [
      'a hard link to a symlink, then written',
      (directory) => [
        { name: 'link', type: 'symlink', linkName: join(directory, 'secret') },
        { name: 'two', type: 'link', linkName: 'link' },
        { name: 'two', type: 'file', data: 'bad' },
      ],
    ],
    [
      'a symlink in place of a directory in use',
      (directory) => [
        { name: 'd/a', type: 'file', data: '1' },
        { name: 'd', type: 'symlink', linkName: directory },
        { name: 'd/secret', type: 'file', data: 'bad' },
      ],
    ],
    [
      'modes and owners through a symlink',
      (directory) => [
        { name: 'link', type: 'symlink', linkName: directory },
        { name: 'link', type: 'symlink', linkName: directory, mode: 0o777, uid: 9 },
      ],
    ],
    ['devices', () => [{ name: 'disk', type: 'block', major: 8, minor: 0 }]],
  ])('stays inside: %s', async (_title, members) => {
    const before = lstatSync(outside);
    await unpack(tarOf(members(outside))).catch((error: { kind?: string }) =>
      expect(error.kind).toBe('InvalidArgument'),
    );
    nothingHappened();
    expect(lstatSync(outside)).toMatchObject({ mode: before.mode, uid: before.uid, mtimeMs: before.mtimeMs });
    expect(linux.files.listXattrs(outside)).toEqual([]);
  });
});

function relabel(archive: Buffer, flag: string): void {
  archive.write(flag, 156, 'latin1');
  archive.fill(' ', 148, 156);
  const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
