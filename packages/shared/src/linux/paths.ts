import { closeSync, constants, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { SystemError, hasCode } from './errno';
import { SYSCALL, check, libc } from './native';

/** Paths below a root that a hostile party controls: nothing here ever leaves it, whatever the symlinks say. */
export interface Paths {
  /**
   * openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS: absolute paths and symlinks are taken as below `root`,
   * `..` stops at it. `flags` are those of node:fs constants, O_CLOEXEC is added. Throws SystemError.
   */
  openInRoot(root: string | number, path: string, flags: number, mode?: number): number;
  /**
   * openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS: EXDEV for a path, or a symlink on its way, that leads out of
   * `root` or is absolute. For what has to be inside, where {@link openInRoot} would take it as if it were.
   */
  openBeneath(root: string | number, path: string, flags: number): number;
  /**
   * The path on the host of `path` as seen from inside `root`. Symlinks are followed, the last one too unless
   * `followLast` is false; components that do not exist are kept as they are. ELOOP after 255 symlinks.
   * Only for showing or for mounts made at once: another process may change it right after.
   */
  resolveInRoot(root: string, path: string, options?: { followLast?: boolean }): string;
  /** Makes a directory and its parents. Returns an O_PATH descriptor of it, which the caller closes. */
  mkdirAllInRoot(root: string | number, path: string, mode?: number): number;
}

const openat2 = libc.declare(
  'long syscall(long number, long directory, const char *path, void *how, long size)',
);
const mkdirat = libc.declare('int mkdirat(int directory, const char *path, uint32_t mode)');

/** Flags node:fs does not know. */
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;

const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_BENEATH = 0x08n;
const RESOLVE_IN_ROOT = 0x10n;
const OPEN_HOW_SIZE = 24;
const MAX_LINKS = 255;
const ELOOP = 40;
const EAGAIN_TRIES = 64;

export class KernelPaths implements Paths {
  openInRoot(root: string | number, path: string, flags: number, mode = 0): number {
    return withDirectory(root, (directory) => openBelow(directory, path, flags, mode));
  }

  openBeneath(root: string | number, path: string, flags: number): number {
    return withDirectory(root, (directory) => openBelow(directory, path, flags, 0, RESOLVE_BENEATH));
  }

  resolveInRoot(root: string, path: string, { followLast = true } = {}): string {
    const waiting = components(path);
    const done: string[] = [];
    for (let links = 0; waiting.length > 0;) {
      const name = waiting.shift() ?? '';
      if (name === '..') {
        done.pop();
        continue;
      }
      const target =
        waiting.length > 0 || followLast ? linkTarget(posix.join(root, ...done, name)) : undefined;
      if (target === undefined) {
        done.push(name);
        continue;
      }
      if (++links > MAX_LINKS) throw new SystemError(ELOOP, 'resolve', path);
      if (target.startsWith('/')) done.length = 0;
      waiting.unshift(...components(target));
    }
    return posix.join(root, ...done);
  }

  mkdirAllInRoot(root: string | number, path: string, mode = 0o755): number {
    return withDirectory(root, (top) => {
      const names = components(path);
      const walked: string[] = [];
      let current = openBelow(top, '.', O_PATH | constants.O_DIRECTORY);
      for (const name of names) {
        walked.push(name);
        try {
          // The whole path so far, from the top: only so do `..` and symlinks mean what they mean inside the root.
          const next = this.openOrMake(top, current, walked, mode);
          closeSync(current);
          current = next;
        } catch (error) {
          closeSync(current);
          throw error;
        }
      }
      return current;
    });
  }

  private openOrMake(top: number, parent: number, walked: string[], mode: number): number {
    const path = walked.join('/');
    const flags = O_PATH | constants.O_DIRECTORY;
    try {
      return openBelow(top, path, flags);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    const made = mkdirat(parent, walked.at(-1) ?? '', mode);
    try {
      check(made, 'mkdirat', path);
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    return openBelow(top, path, flags);
  }
}

function openBelow(
  directory: number,
  path: string,
  flags: number,
  mode = 0,
  resolution = RESOLVE_IN_ROOT,
): number {
  const how = Buffer.alloc(OPEN_HOW_SIZE);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(flags & constants.O_CREAT ? mode : 0), 8);
  how.writeBigUInt64LE(resolution | RESOLVE_NO_MAGICLINKS, 16);
  for (let tries = 1; ; tries++) {
    try {
      return check(openat2(SYSCALL.openat2, directory, path || '.', how, how.length), 'openat2', path);
    } catch (error) {
      // A rename anywhere on the host while `..` is resolved makes the kernel unsure: it wants to be asked again.
      if (!hasCode(error, 'EAGAIN') || tries === EAGAIN_TRIES) throw error;
    }
  }
}

function withDirectory<T>(root: string | number, action: (directory: number) => T): T {
  if (typeof root === 'number') return action(root);
  const directory = openDirectory(root);
  try {
    return action(directory);
  } finally {
    closeSync(directory);
  }
}

const open = libc.declare('int open(const char *path, int flags)');

function openDirectory(path: string): number {
  return check(open(path, O_PATH | O_CLOEXEC | constants.O_DIRECTORY), 'open', path);
}

function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** undefined for what is not a symlink or does not exist. */
function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (hasCode(error, 'EINVAL', 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
