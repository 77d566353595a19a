import { statSync } from 'node:fs';

/**
 * What an answer was read from, and how that looked then: the answer stands as long as the file at `path` has this stamp.
 * Whoever keeps answers has to see the same file system; on another host no stamp fits, and the answer is asked for again.
 */
export interface FileStamp {
  path: string;
  stamp: string;
}

/**
 * undefined: there is no such file, or it cannot be seen from here. Two files have the same stamp only where the inode of a
 * deleted one is taken again within a tick of the kernel's clock (inode(7), st_ctim).
 */
export function stampOf(path: string): FileStamp | undefined {
  let status;
  try {
    status = statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
  return status && { path, stamp: `${status.ino}.${status.size}.${status.ctimeMs}` };
}

export const stillStands = ({ path, stamp }: FileStamp): boolean => stampOf(path)?.stamp === stamp;
