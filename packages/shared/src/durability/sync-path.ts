import { open } from 'node:fs/promises';

/** fsync(2) of a file, or of a directory's entries, in a thread. @throws ENOENT where it is gone */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
