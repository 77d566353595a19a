import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { Inject, Injectable } from '@nestjs/common';
import { internal, unavailable } from '@gantry/shared/errors';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { BlobStore } from '../blobs/blob-store';
import { LayerArchive } from '../layers/layer-archive';
import type { StoredLayer } from '../layers/layer-store';
import { DOCKER_LAYER_GZIP } from '../manifests/media-types';
import { ManifestStore, type StoredLayerBlob } from '../manifests/manifest-store';
import { Slots } from '../slots';

const ATTEMPTS = 3;
const LEVEL = 6;
const PIECE = 256 * 1024;
/** One layer at a time already keeps all processors busy. */
const compressing = new Slots(1);

/** Makes the blob of a layer that came without one, and keeps it: the next push sends the same bytes. */
@Injectable()
export class CompressLayer {
  constructor(
    @Inject(LINUX) private readonly linux: Pick<Linux, 'host' | 'processes'>,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LayerArchive) private readonly archives: LayerArchive,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
  ) {}

  /** @throws DataLoss where the layer was changed on disk */
  async compress(layer: StoredLayer, signal: AbortSignal): Promise<StoredLayerBlob> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const blob = await compressing.use(() => this.makeBlob(layer, signal), signal);
      if (await this.manifests.addLayerBlob(blob)) return blob;
    }
    throw unavailable(`the compressed layer ${layer.diffId} was removed meanwhile`);
  }

  private async makeBlob(layer: StoredLayer, signal: AbortSignal): Promise<StoredLayerBlob> {
    const path = this.blobs.temporaryPath();
    try {
      const { digest, size } = await writeHashed(path, this.gzip(this.archives.read(layer), signal));
      signal.throwIfAborted();
      await this.blobs.adopt(path, digest);
      return { digest, diffId: layer.diffId, mediaType: DOCKER_LAYER_GZIP, size: BigInt(size) };
    } finally {
      await rm(path, { force: true });
    }
  }

  /** The same bytes for the same bytes: no name and no time in the header. */
  private gzip(plain: AsyncIterable<Buffer>, signal: AbortSignal): AsyncIterable<Buffer> {
    const program = this.linux.host.which('pigz');
    if (program) return this.throughPigz(program, plain, signal);
    const gzip = createGzip({ level: LEVEL });
    pipeline(Readable.from(plain), gzip, { signal }).catch((error: Error) => gzip.destroy(error));
    return gzip;
  }

  private async *throughPigz(
    program: string,
    plain: AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    const { processes } = this.linux;
    const [input, feedEnd] = processes.pipe();
    const [output, outputEnd] = processes.pipe();
    let pid: number;
    try {
      pid = processes.spawn({
        path: program,
        // With one thread only, pigz makes other bytes than with several.
        argv: [program, '-n', '-c', `-${LEVEL}`, '-p', String(Math.max(2, availableParallelism()))],
        env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
        fds: { 0: input, 1: outputEnd },
      });
    } finally {
      for (const fd of [input, outputEnd]) closeSync(fd);
    }
    const ended = processes.wait(pid);
    const sink = new Socket({ fd: feedEnd, readable: false, writable: true });
    const source = Readable.from(inLargePieces(plain), { highWaterMark: 1 });
    let broken: unknown;
    const feeding = pipeline(source, sink, { signal }).catch((error: unknown) => {
      // It ended early: its exit code says why.
      if (!hasCode(error, 'EPIPE')) broken = error;
    });
    const packed = processes.reader(output);
    try {
      yield* packed as AsyncIterable<Buffer>;
      await feeding;
      if (broken !== undefined) throw broken;
      const status = await ended;
      if (status.code !== 0) throw internal(`pigz ended with ${status.signal ?? status.code}`);
    } finally {
      // A program whose pipes are closed ends.
      packed.destroy();
      sink.destroy();
      await feeding;
    }
  }
}

/** The archive comes in pieces as small as a file's header: too small to be written one by one. */
async function* inLargePieces(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    held.push(chunk);
    size += chunk.length;
    if (size < PIECE) continue;
    yield Buffer.concat(held);
    held = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(held);
}

async function writeHashed(
  path: string,
  bytes: AsyncIterable<Buffer>,
): Promise<{ digest: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of bytes) {
      hash.update(chunk);
      size += chunk.length;
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  return { digest: `sha256:${hash.digest('hex')}`, size };
}
