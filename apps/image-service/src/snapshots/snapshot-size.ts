import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '@gantry/shared/linux';

/** Apparent bytes of the regular files below a directory, a file with several names once. */
export async function sizeOfTree(directory: string, seen = new Set<number>()): Promise<number> {
  let size = 0;
  try {
    for await (const entry of await opendir(directory)) {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) size += await sizeOfTree(path, seen);
      else if (entry.isFile()) size += await sizeOfFile(path, seen);
    }
  } catch (error) {
    // The container goes on working, and removes what was just listed.
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
  }
  return size;
}

async function sizeOfFile(path: string, seen: Set<number>): Promise<number> {
  const status = await lstat(path);
  if (status.nlink > 1) {
    if (seen.has(status.ino)) return 0;
    seen.add(status.ino);
  }
  return status.size;
}
