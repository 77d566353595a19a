import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createLinux } from '@gantry/shared/linux';
import { type Member as TarMember, tarOf } from '@gantry/shared/tar';
import { ArchiveTree } from '../context/archive-tree';
import { DirectoryTree } from '../context/directory-tree';
import type { SourceTree } from '../context/source-tree';
import type { AddInstruction, CopyInstruction } from '../dockerfile/dockerfile';
import { parseTrigger } from '../dockerfile/parse-dockerfile';
import { copySources } from './copy-sources';
import { selectSources } from './select-sources';
import type { Selected } from './selection';
import { digestsOf } from './source-digest';

/** A file unless it says otherwise. */
type Member = Omit<TarMember, 'type'> & { type?: TarMember['type'] };

const linux = createLinux();
const archiveOf = (members: Member[]): Buffer => tarOf(members.map((one) => ({ type: 'file', ...one })));

let base: string;
let root: string;
let outside: string;
const trees: SourceTree[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'copy-'));
  root = join(base, 'root');
  outside = join(base, 'outside');
  for (const directory of ['root', 'root/etc', 'root/bin', 'outside']) mkdirSync(join(base, directory));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/:\nbob:x:1500:1600::/:\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nbob:x:1601:\n');
  writeFileSync(join(outside, 'secret'), 'untouched');
});
afterEach(() => {
  for (const tree of trees.splice(0)) tree.close();
  rmSync(base, { recursive: true, force: true });
});

async function context(members: Member[]): Promise<ArchiveTree> {
  const path = join(base, 'context.tar');
  writeFileSync(path, archiveOf(members));
  const tree = await ArchiveTree.open(path, 1000);
  trees.push(tree);
  return tree;
}

function transfer(text: string): CopyInstruction | AddInstruction {
  const instruction = parseTrigger(text);
  if (instruction.kind === 'copy' || instruction.kind === 'add') return instruction;
  throw new Error(`no COPY: ${text}`);
}

async function copy(
  tree: SourceTree,
  text: string,
  workingDirectory = '/',
  change: Partial<Selected> = {},
): Promise<string> {
  const instruction = transfer(text);
  const items = selectSources(tree, instruction).map((item) => ({ ...item, ...change }));
  const digests = await digestsOf(items);
  await copySources(linux, { items, ...digests, close: () => {} }, instruction, { root, workingDirectory });
  return digests.digest;
}

const inRoot = (path: string) => {
  const { mode, uid, gid } = lstatSync(join(root, path));
  return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
};
const text = (path: string) => readFileSync(join(root, path), 'utf8');

const MEMBERS: Member[] = [
  { name: 'f', data: 'x\n', mode: 0o755, uid: 1000, gid: 1000 },
  { name: 'fl', type: 'symlink', linkName: 'f' },
  { name: 'd/', type: 'directory', mode: 0o750 },
  { name: 'd/a.txt', data: '1\n', mode: 0o600 },
  { name: 'd/e/', type: 'directory', mode: 0o755 },
  { name: 'd/e/b.txt', data: '2\n' },
  { name: 'd/l', type: 'symlink', linkName: 'a.txt' },
];

describe('where things go', () => {
  test.each<[string, string, Record<string, string>]>([
    ['a file to a name', 'COPY f /x', { x: '755 0:0' }],
    ['to a name in a new directory', 'COPY f /n/m/x', { n: '755 0:0', 'n/m/x': '755 0:0' }],
    ['into a new directory', 'COPY f n/', { 'w/n/f': '755 0:0' }],
    ['into one that is there', 'COPY f /bin', { 'bin/f': '755 0:0' }],
    ['to where we are', 'COPY f .', { 'w/f': '755 0:0' }],
    ['through a symlink', 'COPY fl /x', { x: '755 0:0' }],
    ['under its own name', 'COPY fl /bin/', { 'bin/fl': '755 0:0' }],
    ['what is in a directory', 'COPY d /x', { x: '755 0:0', 'x/a.txt': '600 0:0', 'x/e/b.txt': '644 0:0' }],
    ['the whole context', 'COPY . /x/', { 'x/d': '750 0:0', 'x/d/e/b.txt': '644 0:0', 'x/f': '755 0:0' }],
    ['several', 'COPY f d/a.txt /x/', { 'x/f': '755 0:0', 'x/a.txt': '600 0:0' }],
    ['by a pattern', 'COPY d/*.txt /x/', { 'x/a.txt': '600 0:0' }],
    ['directories by a pattern', 'COPY d* /x/', { 'x/a.txt': '600 0:0', 'x/e': '755 0:0' }],
    ['for an owner', 'COPY --chown=bob f /n/x', { n: '755 1500:1601', 'n/x': '755 1500:1601' }],
    [
      'for ids',
      'COPY --chown=3:4 d /n/x',
      { n: '755 0:0', x: '', 'n/x': '755 3:4', 'n/x/e/b.txt': '644 3:4' },
    ],
    ['with a mode', 'COPY --chmod=0711 d /x', { x: '711 0:0', 'x/a.txt': '711 0:0', 'x/e': '711 0:0' }],
    ['with a symbolic one', 'COPY --chmod=u=rwX,go=rX d /x', { 'x/a.txt': '644 0:0', 'x/e': '755 0:0' }],
    ['with its parents', 'COPY --parents d/e/b.txt /x/', { 'x/d': '750 0:0', 'x/d/e/b.txt': '644 0:0' }],
    ['from a pivot on', 'COPY --parents ./d/./e/b.txt /x/', { 'x/e/b.txt': '644 0:0', 'x/d': '' }],
    [
      'with parents by **',
      'COPY --parents **/*.txt /x/',
      { 'x/d/a.txt': '600 0:0', 'x/d/e/b.txt': '644 0:0' },
    ],
    ['without what is excluded', 'COPY --exclude=*.txt d /x/', { 'x/a.txt': '', 'x/e/b.txt': '644 0:0' }],
    ['without it at any depth', 'COPY --exclude=**/*.txt d /x/', { 'x/a.txt': '', 'x/e/b.txt': '' }],
  ])('%s: %s', async (_title, instruction, files) => {
    await copy(await context(MEMBERS), instruction, '/w');
    const found = Object.keys(files).map((path) => [
      path,
      lstatSync(join(root, path), { throwIfNoEntry: false }) ? inRoot(path) : '',
    ]);
    expect(Object.fromEntries(found)).toEqual(files);
  });

  test('symlinks within a directory stay symlinks, times stay, hard links stay one file', async () => {
    const at = { seconds: 1_000_000, nanoseconds: 0 };
    const tree = await context([
      { name: 'd/', type: 'directory' },
      { name: 'd/s/', type: 'directory', mtime: at },
      { name: 'd/s/a', data: 'a', mtime: at },
      { name: 'd/s/b', type: 'link', linkName: 'd/s/a' },
      { name: 'd/l', type: 'symlink', linkName: '/etc' },
    ]);
    await copy(tree, 'COPY d /x');
    expect(readlinkSync(join(root, 'x/l'))).toBe('/etc');
    expect(statSync(join(root, 'x/s')).mtimeMs).toBe(1e9);
    expect(statSync(join(root, 'x/s/a')).mtimeMs).toBe(1e9);
    expect(statSync(join(root, 'x/s/a')).ino).toBe(statSync(join(root, 'x/s/b')).ino);
  });

  test('a file takes the place of what is there, a directory is merged', async () => {
    mkdirSync(join(root, 'x/e'), { recursive: true });
    writeFileSync(join(root, 'x/e/old'), 'old');
    symlinkSync('/etc/passwd', join(root, 'x/a.txt'));
    await copy(await context(MEMBERS), 'COPY d /x');
    expect([text('x/e/old'), text('x/a.txt'), text('etc/passwd').length > 0]).toEqual(['old', '1\n', true]);
  });

  test('archives are unpacked by ADD', async () => {
    const inner = gzipSync(archiveOf([{ name: 'in/file', data: 'inner', uid: 7, gid: 8 }]));
    await copy(await context([{ name: 'x.tgz', data: inner }]), 'ADD x.tgz /n/', '/', { unpack: true });
    expect([text('n/in/file'), inRoot('n/in/file')]).toEqual(['inner', '644 7:8']);
  });
});

describe('digests', () => {
  // What dockerd 20.10 put into the history for the same files.
  test('are dockerd’s', async () => {
    const tree = await context([{ name: 'f', data: 'x\n', mode: 0o4755 }, ...MEMBERS.slice(1, 3)]);
    expect(await copy(tree, 'COPY f /x')).toBe(
      'file:566b304ca61b81410246116905f9540f49991f13a56856dd8d4e28ed2b07b439',
    );
    const directory = await context([
      { name: 'd/e/', type: 'directory', mode: 0o755 },
      { name: 'd/e/b.txt', data: '2\n', mode: 0o644 },
    ]);
    expect(await copy(directory, 'COPY d/e /y')).toBe(
      'dir:4cc7ae95e0e28e46809de84472dc99f07b4e8b0b8c67696e01938cf1d0fe09dc',
    );
  });

  const keyOf = async (members: Member[], instruction: string) =>
    (await digestsOf(selectSources(await context(members), transfer(instruction)))).key;

  test.each<[string, Member[], boolean]>([
    ['times', MEMBERS.map((one) => ({ ...one, mtime: { seconds: 5, nanoseconds: 0 } })), true],
    ['owners', MEMBERS.map((one) => ({ ...one, uid: 5 })), true],
    ['what is not copied', [{ name: 'other', data: '1' }, ...MEMBERS], true],
    ['modes', MEMBERS.map((one) => ({ ...one, mode: 0o700 })), false],
    ['contents', [...MEMBERS, { name: 'd/a.txt', data: '3\n', mode: 0o600 }], false],
    ['where a symlink leads', [...MEMBERS, { name: 'd/l', type: 'symlink', linkName: './a.txt' }], false],
    ['a new file', [...MEMBERS, { name: 'd/new', data: '' }], false],
  ])('of a directory: %s', async (_title, members, same) => {
    expect((await keyOf(members, 'COPY d /x')) === (await keyOf(MEMBERS, 'COPY d /x'))).toBe(same);
  });
});

describe('nothing leads out', () => {
  test('of the image, whatever is a symlink in it', async () => {
    symlinkSync(outside, join(root, 'abs'));
    symlinkSync('../../outside', join(root, 'rel'));
    symlinkSync('/proc/self/root', join(root, 'magic'));
    const tree = await context(MEMBERS);
    for (const way of ['abs', 'rel', 'magic']) {
      await copy(tree, `COPY d /${way}/`);
      await copy(tree, `COPY f /${way}/secret`);
    }
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('untouched');
    expect(text(`${outside}/secret`)).toBe('x\n');
  });

  test('of a stage that is copied from', async () => {
    const stage = join(base, 'stage');
    mkdirSync(stage);
    symlinkSync(join(outside, 'secret'), join(stage, 'link'));
    symlinkSync('../outside', join(stage, 'up'));
    const tree = new DirectoryTree(linux, stage, true);
    trees.push(tree);
    await expect(copy(tree, 'COPY link /x')).rejects.toThrow('file does not exist');
    await expect(copy(tree, 'COPY up/secret /x')).rejects.toThrow('file does not exist');
    await expect(copy(tree, 'COPY ../outside/secret /x')).rejects.toThrow('file does not exist');
  });

  test('of an archive that is added', async () => {
    symlinkSync(outside, join(root, 'abs'));
    const inner = archiveOf([
      { name: 'abs/secret', data: 'bad' },
      { name: 'here', type: 'symlink', linkName: outside },
      { name: 'here/secret', data: 'bad' },
    ]);
    const adding = copy(await context([{ name: 'x.tar', data: inner }]), 'ADD x.tar /', '/', {
      unpack: true,
    });
    await expect(adding).rejects.toThrow('Error processing tar file: openat2 abs: no such file or directory');
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('untouched');
  });

  test.each<[string, Member[], string]>([
    ['..', [{ name: '../x', data: 'x' }], 'Error processing tar file: name "../x" is outside of the root'],
    [
      'a hard link out',
      [{ name: 'x', type: 'link', linkName: '../outside/secret' }],
      'Error processing tar file: hard link target "../outside/secret" is outside of the root',
    ],
    ['a name without end', [{ name: 'a/'.repeat(100_000) }], ': file name too long'],
    [
      'a file as a directory',
      [
        { name: 'x', data: '' },
        { name: 'x/y', data: '' },
      ],
      'Error processing tar file: "x/y": not a directory',
    ],
  ])('of a context: %s', async (_title, members, message) => {
    await expect(context(members)).rejects.toThrow(message);
  });

  test('of a context through its own symlinks', async () => {
    const tree = await context([
      { name: 'l', type: 'symlink', linkName: outside },
      { name: 'l/secret', data: 'bad' },
      { name: 'p', type: 'symlink', linkName: '/etc/passwd' },
    ]);
    await expect(copy(tree, 'COPY p /x')).rejects.toThrow('stat p: file does not exist');
    await copy(tree, 'COPY l /y');
    expect(text('y/secret')).toBe('bad');
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('untouched');
  });
});

describe('errors', () => {
  test.each([
    [
      'COPY nope /x',
      'COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist',
    ],
    ['ADD *.nope /x', 'ADD failed: no source files were specified'],
    ['COPY ../x /x', 'COPY failed: forbidden path outside the build context: ../x ()'],
    [
      'COPY f d /x',
      'When using COPY with more than one source file, the destination must be a directory and end with a /',
    ],
    [
      'COPY --chown=eve f /x',
      "unable to convert uid/gid chown string to host mapping: can't find uid for user eve: no such user: eve",
    ],
    ['COPY --chown=a:b:c f /x', 'invalid chown string format: a:b:c'],
    ['COPY --chmod=9 f /x', "invalid chmod parameter: '9'"],
  ])('%s', async (instruction, message) => {
    await expect(copy(await context(MEMBERS), instruction)).rejects.toThrow(message);
  });
});
