import { constants } from 'node:fs';
import { posix } from 'node:path';
import type { FileStatus } from '@gantry/shared/linux';
import { timestamp } from '../records/timestamps';

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK } = constants;

/** Go's os.FileMode bits above the permissions. */
const GO_DEVICE = 2 ** 26;
const GO_CHAR_DEVICE = 2 ** 21;
const GO_TYPE: Record<number, number> = {
  [S_IFDIR]: 2 ** 31,
  [S_IFLNK]: 2 ** 27,
  [S_IFBLK]: GO_DEVICE,
  [S_IFCHR]: GO_DEVICE + GO_CHAR_DEVICE,
  [S_IFIFO]: 2 ** 25,
  [S_IFSOCK]: 2 ** 24,
};
const GO_SETUID = 2 ** 23;
const GO_SETGID = 2 ** 22;
const GO_STICKY = 2 ** 20;

/** st_mode as Go's os.FileMode, which the API shows. */
export function goFileMode(mode: number): number {
  return (
    (mode & 0o777) +
    (GO_TYPE[mode & S_IFMT] ?? 0) +
    (mode & 0o4000 ? GO_SETUID : 0) +
    (mode & 0o2000 ? GO_SETGID : 0) +
    (mode & 0o1000 ? GO_STICKY : 0)
  );
}

/** API: the X-Docker-Container-Path-Stat document. */
export function pathStatDocument(path: string, status: FileStatus, linkTarget: string): object {
  const { seconds, nanoseconds } = status.mtime;
  return {
    name: goBase(path),
    size: status.size,
    mode: goFileMode(status.mode),
    mtime: timestamp(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)),
    linkTarget,
  };
}

/**
 * A path of the API as absolute, without its inner dots; a `/` or `/.` at its end stays, for it says that the target of a
 * symlink is meant.
 */
export function containerPath(path: string): string {
  const clean = posix.join('/', path).replace(/(?<=.)\/$/, '');
  if (/(^|\/)\.\/*$/.test(path)) return clean === '/' ? '/.' : `${clean}/.`;
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}

/** Go's filepath.Base: the last name; `/` and `.` for themselves. */
export function goBase(path: string): string {
  return path.replace(/\/+$/, '').split('/').at(-1) || '/';
}
