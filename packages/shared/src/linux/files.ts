import { chmodSync, closeSync, constants, fstatSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { SystemError, hasCode } from './errno';
import { type FileStatus, fileStatus, makeDevice, type Timespec } from './file-status';
import { AT_FDCWD, SYSCALL, check, lastErrno, libc } from './native';
import { O_CLOEXEC, O_PATH } from './paths';
import { getXattr, listXattrs, removeXattr, setXattr } from './xattrs';

/**
 * File operations that are relative to a directory descriptor and never follow the last name when it is a symlink:
 * with a directory opened by {@link Paths} they cannot be tricked out of it. `name` is one component.
 * A descriptor of -100 (AT_FDCWD) takes plain paths. Failures are SystemErrors.
 */
export interface Files {
  /** openat(2) with O_CLOEXEC and O_NOFOLLOW. */
  openAt(directory: number, name: string, flags: number, mode?: number): number;
  mkdirAt(directory: number, name: string, mode: number): void;
  /** Character and block devices, FIFOs and sockets; `mode` with its S_IFMT bits. */
  mknodAt(directory: number, name: string, mode: number, major: number, minor: number): void;
  mkfifoAt(directory: number, name: string, mode: number): void;
  symlinkAt(target: string, directory: number, name: string): void;
  /** A hard link to `name`, to the symlink itself when it is one. */
  linkAt(directory: number, name: string, newDirectory: number, newName: string): void;
  renameAt(directory: number, name: string, newDirectory: number, newName: string): void;
  /** Two names of one file system change what they are of, in one step (renameat2(2), RENAME_EXCHANGE). Whole paths. */
  exchange(path: string, other: string): void;
  unlinkAt(directory: number, name: string): void;
  rmdirAt(directory: number, name: string): void;
  /**
   * Removes a file or a whole tree, without ever following a symlink. No error when it does not exist. `refuseMounts`: EBUSY
   * where something is mounted on it or in it; the kernel itself would take a mount of another namespace away with its name.
   */
  removeTreeAt(directory: number, name: string, options?: { refuseMounts?: boolean }): void;
  readlinkAt(directory: number, name: string): string;
  /** lstat; undefined when it does not exist. */
  statAt(directory: number, name: string): FileStatus | undefined;
  /** Not of the target of a symlink; -1 leaves an id as it is. Clears setuid and setgid: chmod afterwards. */
  chownAt(directory: number, name: string, uid: number, gid: number): void;
  /** EOPNOTSUPP for a symlink, which has no mode of its own. */
  chmodAt(directory: number, name: string, mode: number): void;
  /** undefined leaves a time as it is. */
  utimesAt(directory: number, name: string, atime: Timespec | undefined, mtime: Timespec | undefined): void;
  listXattrsAt(directory: number, name: string): string[];
  getXattrAt(directory: number, name: string, attribute: string): Buffer | undefined;
  setXattrAt(directory: number, name: string, attribute: string, value: Buffer): void;
  /** The same for whole paths whose directory part is trusted. */
  listXattrs(path: string): string[];
  getXattr(path: string, attribute: string): Buffer | undefined;
  setXattr(path: string, attribute: string, value: Buffer): void;
  removeXattr(path: string, attribute: string): void;
  /** flock(2), exclusive and at once; it ends with the descriptor, so with the process. False: somebody else has it. */
  tryLock(fd: number): boolean;
}

const openat = libc.declare('int openat(int directory, const char *name, int flags, uint32_t mode)');
const mkdirat = libc.declare('int mkdirat(int directory, const char *name, uint32_t mode)');
const mknodat = libc.declare('int mknodat(int directory, const char *name, uint32_t mode, uint64_t device)');
const symlinkat = libc.declare('int symlinkat(const char *target, int directory, const char *name)');
const linkat = libc.declare(
  'int linkat(int directory, const char *name, int newDirectory, const char *newName, int flags)',
);
const renameat = libc.declare(
  'int renameat(int directory, const char *name, int newDirectory, const char *newName)',
);
const renameat2 = libc.declare(
  'int renameat2(int directory, const char *path, int otherDirectory, const char *other, uint32_t flags)',
);
const unlinkat = libc.declare('int unlinkat(int directory, const char *name, int flags)');
const fchownat = libc.declare(
  'int fchownat(int directory, const char *name, uint32_t uid, uint32_t gid, int flags)',
);
const fchmodat2 = libc.declare(
  'long syscall(long number, long directory, const char *name, long mode, long flags)',
);
const utimensat = libc.declare('int utimensat(int directory, const char *name, void *times, int flags)');

const statx = libc.declare(
  'int statx(int directory, const char *name, int flags, uint32_t mask, void *status)',
);
const flock = libc.declare('int flock(int fd, int operation)');

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const UTIME_OMIT = (1 << 30) - 2;
const KEEP_ID = 0xffffffff;
const EOPNOTSUPP = 95;
const RENAME_EXCHANGE = 2;
const EAGAIN = 11;
const EBUSY = 16;
const STATX_SIZE = 256;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;
const LOCK_EX = 2;
const LOCK_NB = 4;

export class KernelFiles implements Files {
  openAt(directory: number, name: string, flags: number, mode = 0): number {
    return check(openat(directory, name, flags | O_CLOEXEC | constants.O_NOFOLLOW, mode), 'openat', name);
  }

  mkdirAt(directory: number, name: string, mode: number): void {
    check(mkdirat(directory, name, mode), 'mkdirat', name);
  }

  mknodAt(directory: number, name: string, mode: number, major: number, minor: number): void {
    check(mknodat(directory, name, mode, makeDevice(major, minor)), 'mknodat', name);
  }

  mkfifoAt(directory: number, name: string, mode: number): void {
    this.mknodAt(directory, name, (mode & 0o7777) | constants.S_IFIFO, 0, 0);
  }

  symlinkAt(target: string, directory: number, name: string): void {
    check(symlinkat(target, directory, name), 'symlinkat', name);
  }

  linkAt(directory: number, name: string, newDirectory: number, newName: string): void {
    check(linkat(directory, name, newDirectory, newName, 0), 'linkat', newName);
  }

  renameAt(directory: number, name: string, newDirectory: number, newName: string): void {
    check(renameat(directory, name, newDirectory, newName), 'renameat', newName);
  }

  exchange(path: string, other: string): void {
    check(renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_EXCHANGE), 'renameat2', path);
  }

  unlinkAt(directory: number, name: string): void {
    check(unlinkat(directory, name, 0), 'unlinkat', name);
  }

  rmdirAt(directory: number, name: string): void {
    check(unlinkat(directory, name, AT_REMOVEDIR), 'unlinkat', name);
  }

  removeTreeAt(directory: number, name: string, { refuseMounts = false } = {}): void {
    removeTree(directory, Buffer.from(`${name}\0`), name, refuseMounts);
  }

  readlinkAt(directory: number, name: string): string {
    return readlinkSync(pathAt(directory, name));
  }

  statAt(directory: number, name: string): FileStatus | undefined {
    const found = lstatSync(pathAt(directory, name), { bigint: true, throwIfNoEntry: false });
    return found && fileStatus(found);
  }

  chownAt(directory: number, name: string, uid: number, gid: number): void {
    const [owner, group] = [uid, gid].map((id) => (id < 0 ? KEEP_ID : id)) as [number, number];
    check(fchownat(directory, name, owner, group, AT_SYMLINK_NOFOLLOW), 'fchownat', name);
  }

  chmodAt(directory: number, name: string, mode: number): void {
    if (fchmodat2(SYSCALL.fchmodat2, directory, name, mode, AT_SYMLINK_NOFOLLOW) === 0) return;
    const error = new SystemError(lastErrno(), 'fchmodat', name);
    if (!hasCode(error, 'ENOSYS', 'EPERM')) throw error;
    // Before 6.6 there is no such call: the same in three steps, on the very file that was opened.
    const fd = this.openAt(directory, name, O_PATH);
    try {
      const path = `/proc/self/fd/${fd}`;
      if (readsAsSymlink(fd)) throw new SystemError(EOPNOTSUPP, 'fchmodat', name);
      chmodSync(path, mode);
    } finally {
      closeSync(fd);
    }
  }

  utimesAt(directory: number, name: string, atime: Timespec | undefined, mtime: Timespec | undefined): void {
    const times = Buffer.alloc(32);
    [atime, mtime].forEach((time, index) => {
      times.writeBigInt64LE(BigInt(time?.seconds ?? 0), index * 16);
      times.writeBigInt64LE(BigInt(time?.nanoseconds ?? UTIME_OMIT), index * 16 + 8);
    });
    check(utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW), 'utimensat', name);
  }

  listXattrsAt(directory: number, name: string): string[] {
    return listXattrs(pathAt(directory, name));
  }

  getXattrAt(directory: number, name: string, attribute: string): Buffer | undefined {
    return getXattr(pathAt(directory, name), attribute);
  }

  setXattrAt(directory: number, name: string, attribute: string, value: Buffer): void {
    setXattr(pathAt(directory, name), attribute, value);
  }

  listXattrs(path: string): string[] {
    return listXattrs(path);
  }

  getXattr(path: string, attribute: string): Buffer | undefined {
    return getXattr(path, attribute);
  }

  setXattr(path: string, attribute: string, value: Buffer): void {
    setXattr(path, attribute, value);
  }

  removeXattr(path: string, attribute: string): void {
    removeXattr(path, attribute);
  }

  tryLock(fd: number): boolean {
    const result = flock(fd, LOCK_EX | LOCK_NB);
    if (result < 0 && lastErrno() === EAGAIN) return false;
    check(result, 'flock');
    return true;
  }
}

/** Names are bytes, with their NUL: a hostile layer holds some that are no UTF-8. `shown` is for messages. */
function removeTree(directory: number, name: Buffer, shown: string, refuseMounts: boolean): void {
  if (refuseMounts && isMountRoot(directory, name)) throw new SystemError(EBUSY, 'unlinkat', shown);
  if (unlinkat(directory, name, 0) === 0) return;
  const refused = new SystemError(lastErrno(), 'unlinkat', shown);
  if (refused.code === 'ENOENT') return;
  if (!hasCode(refused, 'EISDIR', 'EPERM')) throw refused;
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | O_CLOEXEC;
  const opened = check(openat(directory, name, flags, 0), 'openat', shown);
  try {
    for (const entry of readdirSync(`/proc/self/fd/${opened}`, { encoding: 'buffer' })) {
      const inside = `${shown}/${entry.toString()}`;
      removeTree(opened, Buffer.concat([entry, Buffer.alloc(1)]), inside, refuseMounts);
    }
  } finally {
    closeSync(opened);
  }
  check(unlinkat(directory, name, AT_REMOVEDIR), 'unlinkat', shown);
}

/** Whether the name leads to another mount (Linux 5.8; before, never). */
function isMountRoot(directory: number, name: Buffer): boolean {
  // struct statx: u64 stx_attributes at 8.
  const status = Buffer.alloc(STATX_SIZE);
  if (statx(directory, name, AT_SYMLINK_NOFOLLOW, 0, status) < 0) return false;
  return (status.readBigUInt64LE(8) & STATX_ATTR_MOUNT_ROOT) !== 0n;
}

/** A path for calls without an *at form: the kernel goes straight to the directory, then takes the one name. */
function pathAt(directory: number, name: string): string {
  return directory === AT_FDCWD ? name : `/proc/self/fd/${directory}/${name}`;
}

function readsAsSymlink(fd: number): boolean {
  return (fstatSync(fd).mode & constants.S_IFMT) === constants.S_IFLNK;
}
