import { createHash, type Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { compressionOfHead, decompressed } from '@gantry/shared/archives';
import { invalidArgument } from '@gantry/shared/errors';
import type { Linux } from '@gantry/shared/linux';
import { tarOfUpper } from './overlay-tar';

/** Where a layer archive comes from. */
export type LayerSource =
  | {
      kind: 'file';
      path: string;
      /** Bytes of the file that are the archive, compressed or not. */
      offset: number;
      size: number;
      /** `sha256:<hex>` that those bytes have to have. */
      digest?: string;
    }
  /** The upper directory of an overlay, as the layer that it would be. */
  | { kind: 'upper'; directory: string };

/** How far a file is written that is still arriving: from its beginning and without holes. */
export interface Growth {
  /** Resolves with the bytes that are there, once there are more than `seen`. */
  beyond(seen: number): Promise<number>;
}

/** What reading a source looks at besides its bytes. */
export interface SourceWatch {
  /** Absent: the file is whole. */
  growth?: Growth;
  signal?: AbortSignal;
  /** Bytes of the file that are read. */
  onConsumed?(bytes: number): void;
}

const READ_SIZE = 256 * 1024;
/** How often a thread that reads without pause looks at what it was told meanwhile. Bytes. */
const BREATH = 8 * 1024 * 1024;

/** The uncompressed archive, each time from its beginning. A buffer is good until the next one is asked for. */
export async function* openSource(
  linux: Pick<Linux, 'files' | 'host' | 'processes'>,
  source: LayerSource,
  watch: SourceWatch = {},
): AsyncGenerator<Buffer> {
  if (source.kind === 'upper') {
    yield* breathing(tarOfUpper(linux, source.directory), watch.signal);
    return;
  }
  const packed = fileBytes(source, watch);
  const first = await packed.next();
  if (first.done) return;
  const compression = compressionOfHead(first.value);
  const whole = prepend(first.value, packed);
  yield* compression === 'none' ? whole : decompressed(linux, compression, whole);
}

async function* breathing(chunks: Iterable<Buffer>, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  let since = 0;
  for (const chunk of chunks) {
    since += chunk.length;
    if (since > BREATH) {
      since = 0;
      await setImmediate();
    }
    signal?.throwIfAborted();
    yield chunk;
  }
}

async function* prepend(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield first;
    yield* rest;
  } finally {
    await rest.return(undefined);
  }
}

/** The bytes of the file as they are, verified at the end. */
async function* fileBytes(
  source: Extract<LayerSource, { kind: 'file' }>,
  { growth, signal, onConsumed }: SourceWatch,
): AsyncGenerator<Buffer> {
  const digest = new ExpectedDigest(source.digest);
  const fd = openSync(source.path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(READ_SIZE);
    let available = growth ? 0 : source.size;
    let since = 0;
    for (let at = 0; at < source.size;) {
      if (available <= at && growth) available = await growth.beyond(at);
      else if (since > BREATH) {
        since = 0;
        await setImmediate();
      }
      signal?.throwIfAborted();
      const wanted = Math.min(READ_SIZE, available - at);
      const length = readSync(fd, buffer, 0, wanted, source.offset + at);
      if (length === 0) throw invalidArgument('archive/tar: unexpected EOF');
      at += length;
      since += length;
      digest.update(buffer.subarray(0, length));
      onConsumed?.(at);
      yield buffer.subarray(0, length);
    }
    digest.check();
  } finally {
    closeSync(fd);
  }
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
    if (found === this.expected) return;
    throw invalidArgument(
      `filesystem layer verification failed for digest ${this.expected}: the bytes are ${found}`,
    );
  }
}
