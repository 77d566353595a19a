import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { hasCode } from '@gantry/shared/linux';

/** Replaces `path` by `path.gz`. A reader that has it open goes on reading it. */
export async function compressLog(path: string): Promise<void> {
  const making = `${path}.gz.new`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(making, { mode: 0o640 }));
  await rename(making, `${path}.gz`);
  await rm(path, { force: true });
}

/** Bytes of the log that `path.gz` holds (RFC 1952, ISIZE); undefined where there is none. */
export async function uncompressedSize(path: string): Promise<number | undefined> {
  const file = await openIfThere(`${path}.gz`);
  if (!file) return undefined;
  try {
    const trailer = Buffer.alloc(4);
    await file.read(trailer, 0, 4, (await file.stat()).size - 4);
    return trailer.readUInt32LE();
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
