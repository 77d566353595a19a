import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { hasCode } from '@gantry/shared/linux';

/** Replaces `path` by `path.gz`. A reader that has it open goes on reading it. */
export async function compressLog(path: string): Promise<void> {
  const making = `${path}.gz.new`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(making, { mode: 0o640 }));
  await rename(making, `${path}.gz`);
  await rm(path, { force: true });
}

/** Opens a rotated log, which may have been compressed; undefined when it is gone. */
export async function openPlainOrCompressed(path: string): Promise<FileHandle | undefined> {
  return (await openIfThere(path)) ?? (await openDecompressed(path));
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

/** Into a file without a name, so that it can be read from any place and in both directions. */
async function openDecompressed(path: string): Promise<FileHandle | undefined> {
  const source = await openIfThere(`${path}.gz`);
  if (!source) return undefined;
  const name = `${path}.reading-${process.pid}-${(decompressions += 1)}`;
  const file = await open(name, 'w+', 0o600);
  try {
    await rm(name);
    const target = createWriteStream(name, { fd: file.fd, autoClose: false });
    await pipeline(source.createReadStream(), createGunzip(), target);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

let decompressions = 0;

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
