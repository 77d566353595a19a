import { closeSync, constants } from 'node:fs';
import { posix } from 'node:path';
import { hasCode, type Linux } from '@gantry/shared/linux';

type Port = Pick<Linux, 'files' | 'paths'>;

const O_PATH = 0o10000000;
const { O_DIRECTORY, S_IFDIR, S_IFMT, S_IFREG } = constants;

/**
 * The paths that a runtime will have to make in `root` to mount something on `destinations`, deepest first: they are no part of
 * the image.
 */
export function missingPaths(linux: Port, root: string, destinations: string[]): string[] {
  const missing = new Set<string>();
  for (const destination of destinations) {
    for (let path = posix.normalize(destination); path !== '/'; path = posix.dirname(path)) {
      if (exists(linux, root, path)) break;
      missing.add(path);
    }
  }
  return [...missing].sort((a, b) => b.length - a.length);
}

/** Takes away of {@link missingPaths} what is still as the runtime has made it. */
export function removeStubs(linux: Port, root: string, paths: string[]): void {
  for (const path of paths) {
    try {
      const parent = linux.paths.openInRoot(root, posix.dirname(path), O_PATH | O_DIRECTORY);
      try {
        removeIfEmpty(linux, parent, posix.basename(path));
      } finally {
        closeSync(parent);
      }
    } catch (error) {
      // The process has put something else there, or into it.
      if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'ELOOP', 'EBUSY')) throw error;
    }
  }
}

function removeIfEmpty(linux: Port, parent: number, name: string): void {
  const status = linux.files.statAt(parent, name);
  const type = (status?.mode ?? 0) & S_IFMT;
  if (type === S_IFDIR) linux.files.rmdirAt(parent, name);
  else if (type === S_IFREG && status?.size === 0) linux.files.unlinkAt(parent, name);
}

function exists(linux: Port, root: string, path: string): boolean {
  try {
    closeSync(linux.paths.openInRoot(root, path, O_PATH));
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return false;
    throw error;
  }
}
