import { closeSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { SystemError, hasCode } from './errno';
import { AT_FDCWD, SYSCALL, check, libc } from './native';

export interface OverlayOptions {
  /** Read-only directories, the topmost first. At least one. */
  lower: string[];
  /** Writable directory and its work directory, on the same file system. Without both the mount is read-only. */
  upper?: string;
  work?: string;
  target: string;
  /** Skip every fsync of the upper directory: only for data nobody needs after a power cut. */
  volatile?: boolean;
  /** Further overlay options, e.g. `['metacopy=off', 'index=off']`. */
  extra?: string[];
}

/** mount(2). */
type Mount = (source: string, target: string, type: string, flags: number, data: string) => void;

const fsopen = libc.declare('long syscall(long number, const char *type, long flags)');
const fsconfig = libc.declare(
  'long syscall(long number, long fd, long command, const char *key, const char *value, long aux)',
);
const fsmount = libc.declare('long syscall(long number, long fd, long flags, long attributes)');
const moveMount = libc.declare(
  'long syscall(long number, long fromFd, const char *from, long toFd, const char *to, long flags)',
);

/** mount(2) copies one page of options; a little is left for what the kernel adds. */
const OPTION_LIMIT = 4000;
/** fsconfig(2) takes strings of at most 256 bytes with their NUL. */
const FSCONFIG_LIMIT = 255;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, CMD_CREATE: 6 } as const;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const E2BIG = 7;

/**
 * Mounts overlayfs by the first of three ways that fits: one option string; fsconfig with one `lowerdir+` a layer
 * (kernel 6.8 and later); an option string of short symlinks, which the kernel resolves while it mounts.
 */
export function mountOverlay(mount: Mount, options: OverlayOptions): void {
  if (options.lower.length === 0) throw new RangeError('an overlay needs at least one lower directory');
  const data = optionString(options, options.lower);
  if (Buffer.byteLength(data) < OPTION_LIMIT) return mount('overlay', options.target, 'overlay', 0, data);
  if (options.lower.every((path) => Buffer.byteLength(path) <= FSCONFIG_LIMIT)) {
    try {
      return mountByFsconfig(options);
    } catch (error) {
      if (!hasCode(error, 'EINVAL', 'ENOSYS', 'EPERM')) throw error;
    }
  }
  mountByShortLinks(mount, options);
}

function optionString(options: OverlayOptions, lower: string[]): string {
  const parts = [`lowerdir=${lower.map(escapeLower).join(':')}`];
  if (options.upper && options.work) {
    parts.push(`upperdir=${escape(options.upper)}`, `workdir=${escape(options.work)}`);
    if (options.volatile) parts.push('volatile');
  }
  return [...parts, ...(options.extra ?? [])].join(',');
}

function escape(path: string): string {
  return path.replace(/[\\,]/g, '\\$&');
}

function escapeLower(path: string): string {
  return path.replace(/[\\,:]/g, '\\$&');
}

function mountByFsconfig(options: OverlayOptions): void {
  const context = check(fsopen(SYSCALL.fsopen, 'overlay', FSOPEN_CLOEXEC), 'fsopen', 'overlay');
  try {
    const set = (key: string, value: string): void => {
      check(
        fsconfig(SYSCALL.fsconfig, context, FSCONFIG.SET_STRING, key, value, 0),
        `fsconfig ${key}`,
        value,
      );
    };
    const flag = (key: string): void => {
      check(fsconfig(SYSCALL.fsconfig, context, FSCONFIG.SET_FLAG, key, null, 0), `fsconfig ${key}`);
    };
    for (const path of options.lower) set('lowerdir+', path);
    if (options.upper && options.work) {
      set('upperdir', options.upper);
      set('workdir', options.work);
      if (options.volatile) flag('volatile');
    }
    for (const option of options.extra ?? []) {
      const [key = '', value] = option.split('=', 2);
      if (value === undefined) flag(key);
      else set(key, value);
    }
    check(
      fsconfig(SYSCALL.fsconfig, context, FSCONFIG.CMD_CREATE, null, null, 0),
      'fsconfig create',
      options.target,
    );
    const mounted = check(fsmount(SYSCALL.fsmount, context, FSMOUNT_CLOEXEC, 0), 'fsmount', options.target);
    try {
      check(
        moveMount(SYSCALL.move_mount, mounted, '', AT_FDCWD, options.target, MOVE_MOUNT_F_EMPTY_PATH),
        'move_mount',
        options.target,
      );
    } finally {
      closeSync(mounted);
    }
  } finally {
    closeSync(context);
  }
}

function mountByShortLinks(mount: Mount, options: OverlayOptions): void {
  const links = mkdtempSync(join(tmpdir(), 'o'));
  try {
    const short = (path: string, index: number): string => {
      const link = `${links}/${index.toString(36)}`;
      symlinkSync(resolve(path), link);
      return link;
    };
    const data = optionString(options, options.lower.map(short));
    if (Buffer.byteLength(data) >= OPTION_LIMIT) {
      const detail = `${options.lower.length} lower directories do not fit into the mount options`;
      throw new SystemError(E2BIG, 'mount', options.target, detail);
    }
    mount('overlay', options.target, 'overlay', 0, data);
  } finally {
    rmSync(links, { recursive: true, force: true });
  }
}
