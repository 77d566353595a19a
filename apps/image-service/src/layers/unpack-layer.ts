import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { invalidArgument } from '@gantry/shared/errors';
import type { Linux } from '@gantry/shared/linux';
import { type TarEntry, TarReader, type TarVisitor } from '@gantry/shared/tar';
import type { LayerLimits } from '../image-settings';
import { LAYER_DIFF, LAYER_SPLIT, LAYER_TAR } from './layer-files';
import { type LayerSource, openSource, type SourceWatch } from './layer-source';
import { LayerWriter } from './layer-writer';
import { TarSplitWriter } from './tar-split';
import { checkUnpackedSize } from './unpacked-size';

export interface UnpackedLayer {
  /** sha256 of the uncompressed archive. */
  diffId: string;
  /** Bytes of its regular files. */
  size: number;
  /** Bytes of the uncompressed archive. */
  archiveSize: number;
}

type Port = Pick<Linux, 'files' | 'paths' | 'host' | 'processes'>;

/**
 * Unpacks an archive into the new directory `directory` (diff/ and what is needed to make the archive again). The caller
 * flushes it to disk, and removes it after an error.
 */
export async function unpackLayer(
  linux: Port,
  { source, directory, limits }: { source: LayerSource; directory: string; limits: LayerLimits },
  watch: SourceWatch = {},
): Promise<UnpackedLayer> {
  mkdirSync(join(directory, LAYER_DIFF), { recursive: true, mode: 0o755 });
  const hash = createHash('sha256');
  const writer = new LayerWriter(linux, join(directory, LAYER_DIFF));
  const split = new TarSplitWriter(join(directory, LAYER_SPLIT));
  let archiveSize = 0;
  let consumed = 0;
  const counting: SourceWatch = {
    ...watch,
    onConsumed: (bytes) => {
      consumed = bytes;
      watch.onConsumed?.(bytes);
    },
  };
  try {
    const reader = new TarReader(new Both(split, writer, limits.maxEntries));
    for await (const chunk of openSource(linux, source, counting)) {
      archiveSize += chunk.length;
      if (source.kind === 'file') checkUnpackedSize('layer', archiveSize, consumed, limits);
      hash.update(chunk);
      reader.write(chunk);
    }
    reader.end();
    writer.finish();
  } finally {
    split.close();
    writer.close();
  }
  if (writer.replaced) await keepArchive(linux, source, join(directory, LAYER_TAR));
  return { diffId: `sha256:${hash.digest('hex')}`, size: writer.size, archiveSize };
}

/** An archive with two entries of one name cannot be made again from what is unpacked: it is kept. */
async function keepArchive(linux: Port, source: LayerSource, path: string): Promise<void> {
  const fd = openSync(path, 'wx', 0o600);
  try {
    for await (const chunk of openSource(linux, source)) {
      const packed = gzipSync(chunk, { level: 1 });
      for (let at = 0; at < packed.length;) at += writeSync(fd, packed, at);
    }
  } finally {
    closeSync(fd);
  }
}

class Both implements TarVisitor {
  private entries = 0;

  constructor(
    private readonly split: TarSplitWriter,
    private readonly writer: LayerWriter,
    private readonly maxEntries: number,
  ) {}

  raw(bytes: Buffer): void {
    this.split.raw(bytes);
  }

  entry(entry: TarEntry): void {
    if (++this.entries > this.maxEntries) {
      throw invalidArgument(`layer has more than ${this.maxEntries} files (GANTRY_LAYER_MAX_ENTRIES)`);
    }
    this.split.entry(entry);
    this.writer.entry(entry);
  }

  content(bytes: Buffer): void {
    this.writer.content(bytes);
  }

  endOfEntry(): void {
    this.writer.endOfEntry();
  }
}
