import { createHash, type Hash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { invalidArgument } from '@gantry/shared/errors';
import type { Linux } from '@gantry/shared/linux';
import { tarOfUpper } from './overlay-tar';

/** Where a layer archive comes from. */
export type LayerSource =
  | {
      kind: 'file';
      path: string;
      /** Bytes of the file that are the archive. */
      offset: number;
      size: number;
      compression: 'none' | 'gzip';
      /** `sha256:<hex>` that those bytes have to have. */
      digest?: string;
    }
  /** The upper directory of an overlay, as the layer that it would be. */
  | { kind: 'upper'; directory: string };

const READ_SIZE = 1024 * 1024;

/** The uncompressed archive, each time from its beginning. A buffer is good until the next one is asked for. */
export function openSource(
  linux: Pick<Linux, 'files'>,
  source: LayerSource,
): Iterable<Buffer> | AsyncIterable<Buffer> {
  if (source.kind === 'upper') return tarOfUpper(linux, source.directory);
  return source.compression === 'gzip' ? gunzipped(source) : plain(source);
}

function* plain(source: Extract<LayerSource, { kind: 'file' }>): Generator<Buffer> {
  const digest = new ExpectedDigest(source.digest);
  const fd = openSync(source.path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(READ_SIZE);
    for (let at = 0; at < source.size;) {
      const length = readSync(fd, buffer, 0, Math.min(READ_SIZE, source.size - at), source.offset + at);
      if (length === 0) throw invalidArgument('archive/tar: unexpected EOF');
      at += length;
      digest.update(buffer.subarray(0, length));
      yield buffer.subarray(0, length);
    }
    digest.check();
  } finally {
    closeSync(fd);
  }
}

async function* gunzipped(source: Extract<LayerSource, { kind: 'file' }>): AsyncGenerator<Buffer> {
  const digest = new ExpectedDigest(source.digest);
  const packed = createReadStream(source.path, {
    start: source.offset,
    end: source.offset + source.size - 1,
    highWaterMark: READ_SIZE,
  });
  packed.on('data', (chunk) => digest.update(chunk as Buffer));
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  packed.on('error', (error) => gunzip.destroy(error));
  try {
    yield* packed.pipe(gunzip) as AsyncIterable<Buffer>;
  } catch (error) {
    const corrupt = String((error as { code?: string }).code).startsWith('Z_');
    throw corrupt ? invalidArgument('gzip: invalid data', error) : error;
  } finally {
    packed.destroy();
  }
  digest.check();
}

class ExpectedDigest {
  private readonly hash?: Hash;

  constructor(private readonly expected: string | undefined) {
    if (expected) this.hash = createHash('sha256');
  }

  update(bytes: Buffer): void {
    this.hash?.update(bytes);
  }

  check(): void {
    if (!this.hash) return;
    const found = `sha256:${this.hash.digest('hex')}`;
    if (found !== this.expected) throw invalidArgument(`layer digest is ${found}, not ${this.expected}`);
  }
}
