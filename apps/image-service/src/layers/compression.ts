import { closeSync, openSync, readSync } from 'node:fs';
import { type Compression, compressionOfHead } from '@gantry/shared/archives';

/** A part of a file. Bytes. */
export interface FilePart {
  path: string;
  offset: number;
  size: number;
}

export function compressionOf({ path, offset, size }: FilePart): Compression {
  const head = Buffer.alloc(Math.min(8, size));
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, head.length, offset);
  } finally {
    closeSync(fd);
  }
  return compressionOfHead(head);
}
