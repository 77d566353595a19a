import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KernelFiles } from './files';
import { KernelPaths, O_PATH } from './paths';

const files = new KernelFiles();
const paths = new KernelPaths();
let base: string;
let root: string;
let directory: number;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'files-'));
  root = join(base, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/passwd'), 'inside');
  mkdirSync(join(base, 'etc'));
  writeFileSync(join(base, 'etc/passwd'), 'outside');
  directory = paths.openInRoot(root, '/', O_PATH | constants.O_DIRECTORY);
});

afterEach(() => {
  closeSync(directory);
  rmSync(base, { recursive: true });
});

describe('paths in a root', () => {
  const read = (path: string): string => {
    const fd = paths.openInRoot(root, path, constants.O_RDONLY);
    try {
      return readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  };

  it.each([
    ['relative', '../../../etc/passwd'],
    ['absolute', '/etc/passwd'],
    ['chained', 'up/../../etc/passwd'],
  ])('keeps a symlink inside: %s', (name, target) => {
    symlinkSync('..', join(root, 'up'));
    symlinkSync(target, join(root, name));
    expect(read(name)).toBe('inside');
    expect(paths.resolveInRoot(root, name)).toBe(join(root, 'etc/passwd'));
  });

  it('does not follow /proc links out', () => {
    const outside = paths.openInRoot(base, 'etc/passwd', constants.O_RDONLY);
    expect(() => paths.openInRoot('/proc', `self/fd/${outside}`, constants.O_RDONLY)).toThrow('ELOOP');
    closeSync(outside);
  });

  it('creates below the root only', () => {
    symlinkSync('/', join(root, 'slash'));
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    closeSync(paths.openInRoot(root, 'slash/../made', flags, 0o640));
    expect(statSync(join(root, 'made')).mode & 0o777).toBe(0o640);
    expect(existsSync(join(base, 'made'))).toBe(false);
    expect(() => paths.openInRoot(root, 'absent/x', flags)).toThrow(
      expect.objectContaining({ code: 'ENOENT' }),
    );
  });

  it('resolves what does not exist yet, and loops not at all', () => {
    symlinkSync('loop', join(root, 'loop'));
    symlinkSync('/var/log', join(root, 'log'));
    expect(paths.resolveInRoot(root, 'log/app/../../x/y')).toBe(join(root, 'var/x/y'));
    expect(paths.resolveInRoot(root, '../../..')).toBe(root);
    expect(paths.resolveInRoot(root, 'log', { followLast: false })).toBe(join(root, 'log'));
    expect(() => paths.resolveInRoot(root, 'loop')).toThrow('ELOOP');
  });

  it('makes directories through links, inside', () => {
    symlinkSync('../../var', join(root, 'v'));
    mkdirSync(join(root, 'var'));
    closeSync(paths.mkdirAllInRoot(root, '/v/a/../b/c', 0o700));
    expect(statSync(join(root, 'var/b/c')).mode & 0o777).toBe(0o700);
    expect(existsSync(join(base, 'var'))).toBe(false);
    expect(() => paths.mkdirAllInRoot(root, 'etc/passwd/x')).toThrow('ENOTDIR');
  });
});

describe('files at a directory', () => {
  it('makes every kind of file', () => {
    files.mkdirAt(directory, 'd', 0o750);
    files.symlinkAt('/etc/shadow', directory, 'l');
    files.mkfifoAt(directory, 'p', 0o600);
    files.mknodAt(directory, 'null', constants.S_IFCHR | 0o666, 1, 3);
    files.mknodAt(directory, 'wh', constants.S_IFCHR, 0, 0);
    files.mknodAt(directory, 'big', constants.S_IFBLK, 300, 70000);
    files.linkAt(directory, 'l', directory, 'hard');
    expect(readlinkSync(join(root, 'hard'))).toBe('/etc/shadow');
    expect(files.readlinkAt(directory, 'l')).toBe('/etc/shadow');
    expect(files.statAt(directory, 'null')).toMatchObject({ major: 1, minor: 3 });
    expect(files.statAt(directory, 'big')).toMatchObject({ major: 300, minor: 70000 });
    expect(lstatSync(join(root, 'p')).isFIFO()).toBe(true);
    expect(files.statAt(directory, 'none')).toBeUndefined();
    files.renameAt(directory, 'wh', directory, 'wh2');
    files.unlinkAt(directory, 'wh2');
    files.rmdirAt(directory, 'd');
  });

  it('changes a symlink itself, never its target', () => {
    symlinkSync('../etc/passwd', join(root, 'l'));
    const before = statSync(join(base, 'etc/passwd'));
    files.chownAt(directory, 'l', 12, -1);
    files.utimesAt(directory, 'l', undefined, { seconds: -5, nanoseconds: 7 });
    expect(files.statAt(directory, 'l')).toMatchObject({
      uid: 12,
      gid: 0,
      mtime: { seconds: -5, nanoseconds: 7 },
    });
    expect(() => files.chmodAt(directory, 'l', 0o777)).toThrow(
      expect.objectContaining({ code: 'EOPNOTSUPP' }),
    );
    expect(() => files.openAt(directory, 'l', constants.O_RDONLY)).toThrow('ELOOP');
    expect(statSync(join(base, 'etc/passwd'))).toMatchObject({ uid: before.uid, mtimeMs: before.mtimeMs });
  });

  it('sets all twelve mode bits', () => {
    files.mkdirAt(directory, 'd', 0o700);
    files.chmodAt(directory, 'd', 0o7751);
    expect(statSync(join(root, 'd')).mode & 0o7777).toBe(0o7751);
  });

  it('reads and writes extended attributes', () => {
    files.setXattrAt(directory, 'etc', 'trusted.overlay.opaque', Buffer.from('y'));
    files.setXattr(join(root, 'etc/passwd'), 'user.empty', Buffer.alloc(0));
    expect(files.listXattrsAt(directory, 'etc')).toEqual(['trusted.overlay.opaque']);
    expect(files.getXattrAt(directory, 'etc', 'trusted.overlay.opaque')?.toString()).toBe('y');
    expect(files.getXattr(join(root, 'etc/passwd'), 'user.empty')).toHaveLength(0);
    files.removeXattr(join(root, 'etc/passwd'), 'user.empty');
    expect(files.getXattr(join(root, 'etc/passwd'), 'user.empty')).toBeUndefined();
  });

  it('locks a file against every other descriptor of it', () => {
    const [first, second] = [
      openSync(join(root, 'etc/passwd'), 'r'),
      openSync(join(root, 'etc/passwd'), 'r'),
    ];
    expect([files.tryLock(first), files.tryLock(second)]).toEqual([true, false]);
    closeSync(first);
    expect(files.tryLock(second)).toBe(true);
    closeSync(second);
  });

  it('exchanges two directories', () => {
    const [first, second] = [join(root, 'first'), join(root, 'second')];
    for (const path of [first, second]) {
      mkdirSync(path);
      writeFileSync(join(path, 'was'), path);
    }
    files.exchange(first, second);
    expect(readFileSync(join(first, 'was'), 'utf8')).toBe(second);
    expect(readFileSync(join(second, 'was'), 'utf8')).toBe(first);
  });

  it('removes a tree without following its links, whatever the names are made of', () => {
    mkdirSync(join(root, 't/sub'), { recursive: true });
    symlinkSync(base, join(root, 't/link'));
    writeFileSync(Buffer.concat([Buffer.from(join(root, 't/sub/')), Buffer.from([0xff, 0xfe])]), '');
    files.removeTreeAt(directory, 't');
    files.removeTreeAt(directory, 't');
    expect(readdirSync(root)).toEqual(['etc']);
    expect(readdirSync(base)).toEqual(['etc', 'root']);
  });
});
