import { createReadStream, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Inject, Injectable } from '@nestjs/common';
import { decompressed } from '@gantry/shared/archives';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { BlobStore } from '../blobs/blob-store';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import { compressionOf } from '../layers/compression';
import { checkUnpackedSize } from '../layers/unpacked-size';

const READ_SIZE = 256 * 1024;

/** Makes a file of an uploaded archive in which one can look for members: compressed ones are decompressed first. */
@Injectable()
export class PlainArchive {
  constructor(
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'host' | 'processes'>,
    @Inject(IMAGE_SETTINGS) private readonly settings: ImageSettings,
  ) {}

  /** Nothing is left of it afterwards. @throws InvalidArgument for corrupt data and decompression bombs */
  async use<T>(upload: string, signal: AbortSignal, work: (path: string) => Promise<T>): Promise<T> {
    const compression = compressionOf({ path: upload, offset: 0, size: statSync(upload).size });
    if (compression === 'none') return work(upload);
    const plain = this.blobs.temporaryPath();
    try {
      await this.decompress(upload, compression, plain, signal);
      return await work(plain);
    } finally {
      rmSync(plain, { force: true });
    }
  }

  private async decompress(
    upload: string,
    compression: Parameters<typeof decompressed>[1],
    plain: string,
    signal: AbortSignal,
  ): Promise<void> {
    let read = 0;
    let written = 0;
    async function* packed(): AsyncGenerator<Buffer> {
      for await (const chunk of createReadStream(upload, { highWaterMark: READ_SIZE, signal })) {
        read += (chunk as Buffer).length;
        yield chunk as Buffer;
      }
    }
    const target = await open(plain, 'wx', 0o600);
    try {
      for await (const chunk of decompressed(this.linux, compression, packed())) {
        signal.throwIfAborted();
        written += chunk.length;
        checkUnpackedSize('archive', written, read, this.settings.layerLimits);
        await target.writeFile(chunk);
      }
    } finally {
      await target.close();
    }
  }
}
