import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { resolve } from 'node:path';
import { SystemError, errnoCode, hasCode } from './errno';
import { MountInfo, parseMountInfo } from './mount-info';
import { AT_FDCWD, SYSCALL, check, lastErrno, libc } from './native';
import { OverlayOptions, mountOverlay } from './overlay-mount';

/** mount(2) flags. */
export const MountFlag = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  NOATIME: 1024,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
  RELATIME: 1 << 21,
} as const;

/** umount2(2) flags. */
export const UmountFlag = { FORCE: 1, DETACH: 2, EXPIRE: 4, NOFOLLOW: 8 } as const;

export type Propagation =
  'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave' | 'unbindable' | 'runbindable';

export interface BindOptions {
  readonly?: boolean;
  /** Also the mounts below `source` (rbind). With `readonly`, those become read-only too (from Linux 5.12 on). */
  recursive?: boolean;
  propagation?: Propagation;
}

/** Mounting and unmounting, in the mount namespace of this process. Every failure is a SystemError. */
export interface Mounts {
  /** mount(2). `type` and `data` may be empty. */
  mount(source: string, target: string, type: string, flags?: number, data?: string): void;
  /** umount2(2); flags of {@link UmountFlag}. */
  umount(target: string, flags?: number): void;
  /** Detaches every mount stacked on `target`; no error when nothing is mounted there or it does not exist. */
  detach(target: string): void;
  /** Makes `source` (file or directory) visible at the existing `target`. */
  bindMount(source: string, target: string, options?: BindOptions): void;
  /**
   * The same, private and without the mounts below, with owners as the user namespace (a descriptor) maps them: what belongs
   * to its root on disk is seen as its root's on the host. EINVAL where the file system or the kernel cannot (Linux 5.12).
   */
  bindMapped(
    source: string,
    target: string,
    userNamespace: number,
    options?: Pick<BindOptions, 'readonly'>,
  ): void;
  /** Mounts overlayfs on `target`, however many and however long the lower directories are. */
  overlay(options: OverlayOptions): void;
  /** /proc/self/mountinfo, in its order: a later entry on the same point covers the earlier. */
  listMounts(): MountInfo[];
  /** Whether something is mounted exactly at `path` (bind mounts of files included). */
  isMountPoint(path: string): boolean;
  /** What the mount that holds `path` forbids, as options of mount(8): `ro`, `nosuid`, `nodev`, `noexec`; and `noatime`. */
  restrictionsAt(path: string): string[];
  setPropagation(target: string, propagation: Propagation): void;
  /** Whether the attributes of the mounts below one can be set with it (mount_setattr(2), Linux 5.12). */
  canSetBelow(): boolean;
  makePrivate(target: string): void;
  makeShared(target: string): void;
  /** Flushes the whole file system that holds `path` (syncfs(2)), in a thread of its own. EIO where that failed. */
  syncfs(path: string): Promise<void>;
}

const mount = libc.declare(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const umount2 = libc.declare('int umount2(const char *target, int flags)');
const statfs = libc.declare('int statfs(const char *path, void *status)');
const syncfs = libc.declareAsync('int syncfs(int fd)');
const mountSetattr = libc.declare(
  'long syscall(long number, long dirfd, const char *path, long flags, void *attr, long size)',
);

const openTree = libc.declare('long syscall(long number, long dirfd, const char *path, long flags)');
const moveMount = libc.declare(
  'long syscall(long number, long fromFd, const char *from, long toFd, const char *to, long flags)',
);

/** struct statfs: long f_flags at 80. */
const STATFS_SIZE = 120;
const STATFS_FLAGS = 80;
/** ST_* of statfs(2). */
const RESTRICTIONS = { ro: 1, nosuid: 2, nodev: 4, noexec: 8, noatime: 1024 } as const;
const AT_RECURSIVE = 0x8000;
const AT_EMPTY_PATH = 0x1000;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
/** So that /proc/self/fd/<n> may be the target. */
const MOVE_MOUNT_T_SYMLINKS = 0x10;
const MOUNT_ATTR_RDONLY = 1n;
const MOUNT_ATTR_IDMAP = 0x100000n;

/** The flags of mount(2) by the names that mount(8) and the API have for them. */
export const PROPAGATION_FLAGS: Record<Propagation, number> = {
  private: MountFlag.PRIVATE,
  rprivate: MountFlag.PRIVATE | MountFlag.REC,
  shared: MountFlag.SHARED,
  rshared: MountFlag.SHARED | MountFlag.REC,
  slave: MountFlag.SLAVE,
  rslave: MountFlag.SLAVE | MountFlag.REC,
  unbindable: MountFlag.UNBINDABLE,
  runbindable: MountFlag.UNBINDABLE | MountFlag.REC,
};

/** struct mount_attr: attr_set, attr_clr, propagation, userns_fd. */
function attributes(set: bigint, propagation = 0, userNamespace = 0): Buffer {
  const attr = Buffer.alloc(32);
  attr.writeBigUInt64LE(set, 0);
  attr.writeBigUInt64LE(BigInt(propagation), 16);
  attr.writeBigUInt64LE(BigInt(userNamespace), 24);
  return attr;
}

export class KernelMounts implements Mounts {
  mount(source: string, target: string, type: string, flags = 0, data = ''): void {
    check(mount(source, target, type, flags, data), 'mount', target);
  }

  umount(target: string, flags = 0): void {
    check(umount2(target, flags), 'umount', target);
  }

  detach(target: string): void {
    for (;;) {
      try {
        this.umount(target, UmountFlag.DETACH | UmountFlag.NOFOLLOW);
      } catch (error) {
        if (hasCode(error, 'EINVAL', 'ENOENT', 'ENOTDIR')) return;
        throw error;
      }
    }
  }

  bindMount(source: string, target: string, options: BindOptions = {}): void {
    const recursive = options.recursive ?? false;
    const whole = options.readonly ? this.bindReadonly(source, target, recursive) : false;
    if (!whole) this.mount(source, target, '', MountFlag.BIND | (recursive ? MountFlag.REC : 0));
    try {
      if (options.readonly && !whole) this.makeReadonly(target);
      if (options.propagation) this.setPropagation(target, options.propagation);
    } catch (error) {
      this.umount(target, UmountFlag.DETACH);
      throw error;
    }
  }

  bindMapped(
    source: string,
    target: string,
    userNamespace: number,
    { readonly = false }: Pick<BindOptions, 'readonly'> = {},
  ): void {
    const set = MOUNT_ATTR_IDMAP | (readonly ? MOUNT_ATTR_RDONLY : 0n);
    // Private, or the original's mounts would come along.
    this.bindChanged(source, target, false, attributes(set, MountFlag.PRIVATE, userNamespace));
  }

  /** Never writable, not even for a moment, wherever `target` leads by then. False before Linux 5.12. */
  private bindReadonly(source: string, target: string, recursive: boolean): boolean {
    try {
      this.bindChanged(source, target, recursive, attributes(MOUNT_ATTR_RDONLY));
      return true;
    } catch (error) {
      if (!hasCode(error, 'ENOSYS')) throw error;
      return false;
    }
  }

  private bindChanged(source: string, target: string, recursive: boolean, attr: Buffer): void {
    const below = recursive ? AT_RECURSIVE : 0;
    const tree = check(
      openTree(SYSCALL.open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | below),
      'open_tree',
      source,
    );
    try {
      check(
        mountSetattr(SYSCALL.mount_setattr, tree, '', AT_EMPTY_PATH | below, attr, attr.length),
        'mount_setattr',
        source,
      );
      const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS;
      check(moveMount(SYSCALL.move_mount, tree, '', AT_FDCWD, target, flags), 'move_mount', target);
    } finally {
      closeSync(tree);
    }
  }

  overlay(options: OverlayOptions): void {
    mountOverlay((...mount) => this.mount(...mount), options);
  }

  listMounts(): MountInfo[] {
    return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  }

  isMountPoint(path: string): boolean {
    const wanted = resolve(path);
    return this.listMounts().some((entry) => entry.mountPoint === wanted);
  }

  restrictionsAt(path: string): string[] {
    const status = Buffer.alloc(STATFS_SIZE);
    check(statfs(path, status), 'statfs', path);
    const flags = Number(status.readBigUInt64LE(STATFS_FLAGS));
    return Object.entries(RESTRICTIONS).flatMap(([name, flag]) => (flags & flag ? [name] : []));
  }

  setPropagation(target: string, propagation: Propagation): void {
    this.mount('', target, '', PROPAGATION_FLAGS[propagation]);
  }

  canSetBelow(): boolean {
    // A descriptor that cannot exist: the call answers EBADF where there is one, ENOSYS where not.
    const result = mountSetattr(SYSCALL.mount_setattr, -2, '', 0, Buffer.alloc(32), 32);
    return result === 0 || errnoCode(lastErrno()) !== 'ENOSYS';
  }

  makePrivate(target: string): void {
    this.setPropagation(target, 'private');
  }

  makeShared(target: string): void {
    this.setPropagation(target, 'shared');
  }

  async syncfs(path: string): Promise<void> {
    const fd = openSync(path, constants.O_RDONLY);
    try {
      if ((await syncfs(fd)) !== 0) throw new SystemError(osConstants.errno.EIO, 'syncfs', path);
    } finally {
      closeSync(fd);
    }
  }

  /** A remount changes one mount only, and must repeat the flags it has. */
  private makeReadonly(target: string): void {
    const flags = MountFlag.BIND | MountFlag.REMOUNT | MountFlag.RDONLY;
    this.mount('', target, '', flags | this.flagsOf(target));
  }

  private flagsOf(target: string): number {
    const wanted = resolve(target);
    const options = this.listMounts()
      .filter((entry) => entry.mountPoint === wanted)
      .at(-1)?.options;
    const kept = { nosuid: MountFlag.NOSUID, nodev: MountFlag.NODEV, noexec: MountFlag.NOEXEC } as const;
    return (options ?? []).reduce((flags, option) => flags | (kept[option as keyof typeof kept] ?? 0), 0);
  }
}
