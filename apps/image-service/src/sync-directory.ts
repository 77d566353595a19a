import { closeSync, fsyncSync, openSync } from 'node:fs';

/** Makes what was renamed into a directory outlive a power cut. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
