import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** What a gzip file holds. It is closed where the reader stops early, too, and what is wrong with it reaches the reader. */
export function readGzipped(path: string, chunkSize?: number): AsyncIterable<Buffer> {
  return pipeline(createReadStream(path), createGunzip({ chunkSize }), () => {}); // the reader hears of errors itself
}
