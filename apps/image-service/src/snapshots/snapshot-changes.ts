import { constants, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FileStatus, Linux } from '@gantry/shared/linux';
import { isWhiteout } from '../layers/overlay-tar';
import { OPAQUE_XATTR } from '../layers/whiteout';

/** API: ChangeType. */
export const ChangeKind = { MODIFIED: 0, ADDED: 1, DELETED: 2 } as const;

/** API: FilesystemChange. */
export interface FilesystemChange {
  Path: string;
  Kind: (typeof ChangeKind)[keyof typeof ChangeKind];
}

const AT_FDCWD = -100;
const { S_IFDIR, S_IFMT } = constants;

type Port = Pick<Linux, 'files'>;

/**
 * What an upper directory changes of the lower ones (topmost first), in order of the paths. A directory in which something
 * changed counts as modified; one that overlayfs merely had to copy up does not.
 */
export function changesOf(linux: Port, upper: string, lower: string[]): FilesystemChange[] {
  const changes: FilesystemChange[] = [];
  walk(linux, upper, lower, '/', changes);
  return changes;
}

/** Whether anything below `path` changed. */
function walk(
  linux: Port,
  upper: string,
  lower: string[],
  path: string,
  changes: FilesystemChange[],
): boolean {
  const before = changes.length;
  for (const name of readdirSync(upper).sort()) {
    const status = linux.files.statAt(AT_FDCWD, join(upper, name));
    if (status)
      member(linux, { upper: join(upper, name), status, path: join(path, name) }, name, lower, changes);
  }
  return changes.length > before;
}

function member(
  linux: Port,
  entry: { upper: string; status: FileStatus; path: string },
  name: string,
  lower: string[],
  changes: FilesystemChange[],
): void {
  const below = lookUp(linux, lower, name);
  if (isWhiteout(entry.status)) {
    if (below.visible) changes.push({ Path: entry.path, Kind: ChangeKind.DELETED });
    return;
  }
  const at = changes.length;
  if (isDirectory(entry.status)) {
    const opaque = isOpaque(linux, entry.upper);
    const changed = walk(linux, entry.upper, opaque ? [] : below.directories, entry.path, changes);
    if (below.visible && !changed && !opaque && sameDirectory(entry.status, below.visible)) return;
  }
  changes.splice(at, 0, { Path: entry.path, Kind: below.visible ? ChangeKind.MODIFIED : ChangeKind.ADDED });
}

/** What the lower directories show under a name, and which of them go on below it. */
function lookUp(linux: Port, lower: string[], name: string): { visible?: FileStatus; directories: string[] } {
  const directories: string[] = [];
  let visible: FileStatus | undefined;
  for (const directory of lower) {
    const path = join(directory, name);
    const status = linux.files.statAt(AT_FDCWD, path);
    if (!status) continue;
    if (isWhiteout(status)) break;
    if (!isDirectory(status)) {
      visible ??= status;
      break;
    }
    visible ??= status;
    directories.push(path);
    if (isOpaque(linux, path)) break;
  }
  return { visible, directories };
}

const isDirectory = (status: FileStatus): boolean => (status.mode & S_IFMT) === S_IFDIR;

const isOpaque = (linux: Port, path: string): boolean =>
  linux.files.getXattr(path, OPAQUE_XATTR)?.toString() === 'y';

function sameDirectory(a: FileStatus, b: FileStatus): boolean {
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.mtime.seconds === b.mtime.seconds &&
    a.mtime.nanoseconds === b.mtime.nanoseconds
  );
}
