import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseMountInfo } from './mount-info';
import { O_PATH } from './paths';
import { KernelMounts, MountFlag } from './mounts';
import { mountOverlay } from './overlay-mount';

const mounts = new KernelMounts();
let root: string;
const directory = (name: string): string => {
  mkdirSync(join(root, name), { recursive: true });
  return join(root, name);
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'mounts-'));
  mounts.mount('tmpfs', root, 'tmpfs');
});

afterEach(() => {
  for (const entry of mounts.listMounts().reverse()) {
    if (entry.mountPoint.startsWith(root)) mounts.umount(entry.mountPoint, 2);
  }
  rmSync(root, { recursive: true });
});

it('tells what a mount forbids', () => {
  const place = directory('strict');
  expect(mounts.restrictionsAt(place)).toEqual([]);
  mounts.mount('tmpfs', place, 'tmpfs', MountFlag.NOSUID | MountFlag.NOEXEC | MountFlag.RDONLY);
  expect(mounts.restrictionsAt(place)).toEqual(['ro', 'nosuid', 'noexec']);
  expect(() => mounts.restrictionsAt(join(place, 'none'))).toThrow('ENOENT');
});

it('reads the escapes of mountinfo', () => {
  const [entry] = parseMountInfo(
    '36 35 98:0 /mnt1 /mnt\\0402\\134x rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n',
  );
  expect(entry).toEqual({
    id: 36,
    parentId: 35,
    device: '98:0',
    root: '/mnt1',
    mountPoint: '/mnt 2\\x',
    options: ['rw', 'noatime'],
    propagation: ['master:1', 'shared:2'],
    fsType: 'ext3',
    source: '/dev/root',
    superOptions: ['rw', 'errors=continue'],
  });
});

it('binds read-only without losing the flags of the source', () => {
  const source = directory('source');
  const target = directory('tar get');
  mounts.mount('tmpfs', source, 'tmpfs', 2 | 4);
  mounts.bindMount(source, target, { readonly: true, propagation: 'private' });
  expect(mounts.isMountPoint(target)).toBe(true);
  const entry = mounts.listMounts().find((mount) => mount.mountPoint === target);
  expect(entry?.options).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev']));
  expect(() => writeFileSync(join(target, 'x'), '')).toThrow('EROFS');
  mounts.detach(target);
  mounts.detach(target);
  expect(mounts.isMountPoint(target)).toBe(false);
});

it('binds read-only on a descriptor, with the mounts below', () => {
  const [source, target] = [directory('above'), directory('on-descriptor')];
  const below = directory('above/below');
  mounts.mount('tmpfs', below, 'tmpfs');
  const point = openSync(target, O_PATH);
  mounts.bindMount(source, `/proc/self/fd/${point}`, { readonly: true, recursive: true });
  closeSync(point);
  for (const path of ['x', 'below/x']) expect(() => writeFileSync(join(target, path), '')).toThrow('EROFS');
  writeFileSync(join(below, 'x'), '');
  mounts.detach(target);
  mounts.detach(below);
});

it('leaves nothing mounted when a bind cannot be completed, and names what failed', () => {
  expect(() => mounts.bindMount(join(root, 'absent'), directory('t'))).toThrow(
    expect.objectContaining({ code: 'ENOENT', syscall: 'mount' }),
  );
});

it('changes propagation', () => {
  const target = directory('shared');
  mounts.mount('tmpfs', target, 'tmpfs');
  const propagation = (): string[] | undefined =>
    mounts.listMounts().find((entry) => entry.mountPoint === target)?.propagation;
  mounts.makeShared(target);
  expect(propagation()?.[0]).toMatch(/^shared:/);
  mounts.makePrivate(target);
  expect(propagation()).toEqual([]);
});

describe('overlay', () => {
  const layers = (count: number, length: number): string[] =>
    Array.from({ length: count }, (_, index) => {
      const path = directory(`l${String(index).padStart(length, '0')}`);
      writeFileSync(join(path, 'top'), String(index));
      writeFileSync(join(path, `own-${index}`), '');
      return path;
    });

  it('stacks 200 lower directories with long names, the first on top', () => {
    const lower = layers(200, 100);
    const target = directory('merged');
    mounts.overlay({ lower, upper: directory('upper'), work: directory('work'), target, volatile: true });
    expect(readFileSync(join(target, 'top'), 'utf8')).toBe('0');
    expect(readdirSync(target)).toHaveLength(201);
    writeFileSync(join(target, 'top'), 'new');
    expect(readFileSync(join(root, 'upper/top'), 'utf8')).toBe('new');
  });

  it('does the same by short links where the kernel has no lowerdir+', () => {
    const lower = layers(128, 200).map((path, index) => {
      const link = join(root, `${'x'.repeat(245)}${index}`);
      symlinkSync(path, link);
      return link;
    });
    const target = directory('merged');
    let data = '';
    mountOverlay(
      (...all) => {
        data = all[4];
        mounts.mount(...all);
      },
      { lower, upper: directory('upper'), work: directory('work'), target },
    );
    expect(data.length).toBeLessThan(4000);
    expect(readFileSync(join(target, 'top'), 'utf8')).toBe('0');
    expect(readdirSync(target)).toHaveLength(129);
  });

  it('takes colons, commas and backslashes in paths', () => {
    const lower = [directory('a:b'), directory('c,d'), directory('e\\f')];
    writeFileSync(join(lower[2] ?? '', 'deep'), '');
    const target = directory('merged');
    mounts.overlay({ lower, upper: directory('u,p'), work: directory('w,o'), target });
    expect(readdirSync(target)).toEqual(['deep']);
  });

  it('is read-only without an upper directory', async () => {
    const target = directory('merged');
    mounts.overlay({ lower: layers(2, 1), target });
    expect(() => writeFileSync(join(target, 'x'), '')).toThrow('EROFS');
    await mounts.syncfs(target);
  });
});
