/** A time with nanoseconds, as in struct timespec. */
export interface Timespec {
  seconds: number;
  nanoseconds: number;
}

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
  unlinkAt(directory: number, name: string): void;
  rmdirAt(directory: number, name: string): void;
  /** Removes a file or a whole tree, without ever following a symlink. No error when it does not exist. */
  removeTreeAt(directory: number, name: string): void;
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
}

export interface FileStatus {
  /** With the S_IFMT bits. */
  mode: number;
  uid: number;
  gid: number;
  size: number;
  inode: bigint;
  device: bigint;
  links: number;
  /** Device number of a device node. */
  major: number;
  minor: number;
  mtime: Timespec;
}
