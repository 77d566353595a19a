import { createHash } from 'node:crypto';
import { constants, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { invalidArgument } from '@gantry/shared/errors';
import type { Linux } from '@gantry/shared/linux';
import { type TarEntry, TarReader, type TarVisitor } from '@gantry/shared/tar';
import type { LayerLimits } from '../image-settings';
import { LAYER_DIFF, LAYER_SPLIT } from './layer-files';
import { isWhiteout, tarOfUpper } from './overlay-tar';
import { TarSplitWriter } from './tar-split';
import type { UnpackedLayer } from './unpack-layer';

/** The upper directory of an overlay that is a layer where it lies. */
export interface AdoptedSource {
  kind: 'adopted';
  /** Every file gets this modification time, so that the same files are the same layer. Seconds since 1970. */
  epoch?: number;
}

type Port = Pick<Linux, 'files' | 'mounts'>;

const AT_FDCWD = -100;
const { S_IFDIR, S_IFMT, S_IFSOCK } = constants;
/** How often a thread that hashes looks at what it was told meanwhile. Bytes. */
const BREATH = 8 * 1024 * 1024;
/** Bytes. */
const LARGE = 32 * 1024 * 1024;

/**
 * Makes `directory`/diff a layer without copying it: hashes the archive that it would be, and writes down what is needed to make
 * that again.
 */
export async function adoptUpper(
  linux: Port,
  { source, directory, limits }: { source: AdoptedSource; directory: string; limits: LayerLimits },
  signal?: AbortSignal,
): Promise<UnpackedLayer> {
  const diff = join(directory, LAYER_DIFF);
  const bytes = prepare(linux, diff, source.epoch);
  // The disk writes while the processor hashes; whoever waits for the flush of the layer finds little left to do.
  if (bytes > LARGE) linux.mounts.syncfs(directory).catch(() => {});
  const hash = createHash('sha256');
  const split = new TarSplitWriter(join(directory, LAYER_SPLIT));
  const visitor = new Measured(split, limits);
  let archiveSize = 0;
  let since = 0;
  try {
    const reader = new TarReader(visitor);
    for (const chunk of tarOfUpper(linux, diff)) {
      archiveSize += chunk.length;
      since += chunk.length;
      hash.update(chunk);
      reader.write(chunk);
      if (since < BREATH) continue;
      since = 0;
      await setImmediate();
      signal?.throwIfAborted();
    }
    reader.end();
  } finally {
    split.close();
  }
  return { diffId: `sha256:${hash.digest('hex')}`, size: visitor.size, archiveSize };
}

/**
 * Takes away what no archive has, so that the directory is what the archive says, and sets the times. Returns the bytes of all
 * files.
 */
function prepare(linux: Port, directory: string, epoch: number | undefined): number {
  let bytes = 0;
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const status = linux.files.statAt(AT_FDCWD, path);
    if (!status || isWhiteout(status)) continue;
    const type = status.mode & S_IFMT;
    bytes += status.size;
    if (type === S_IFSOCK) unlinkSync(path);
    else if (type === S_IFDIR) bytes += prepare(linux, path, epoch);
    else if (epoch !== undefined) setTime(linux, path, epoch);
  }
  if (epoch !== undefined) setTime(linux, directory, epoch);
  return bytes;
}

function setTime(linux: Port, path: string, seconds: number): void {
  linux.files.utimesAt(AT_FDCWD, path, undefined, { seconds, nanoseconds: 0 });
}

/** Counts while it writes down. */
class Measured implements TarVisitor {
  size = 0;
  private entries = 0;

  constructor(
    private readonly split: TarSplitWriter,
    private readonly limits: LayerLimits,
  ) {}

  raw(bytes: Buffer): void {
    this.split.raw(bytes);
  }

  entry(entry: TarEntry): void {
    if (++this.entries > this.limits.maxEntries) {
      throw invalidArgument(`layer has more than ${this.limits.maxEntries} files (GANTRY_LAYER_MAX_ENTRIES)`);
    }
    this.size += entry.size;
    if (this.size > this.limits.maxBytes) {
      throw invalidArgument(`layer is larger than ${this.limits.maxBytes} bytes (GANTRY_LAYER_MAX_BYTES)`);
    }
    this.split.entry(entry);
  }

  content(): void {}
  endOfEntry(): void {}
}
