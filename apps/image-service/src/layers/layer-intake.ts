import { rmSync, statSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { BlobStore } from '../blobs/blob-store';
import { LayerStore, type StoredLayer } from './layer-store';
import { compressionOf, Decompressor, type FilePart } from './compression';

/** Takes a layer archive out of a file, whatever it is compressed with. */
@Injectable()
export class LayerIntake {
  constructor(
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(Decompressor) private readonly decompressor: Decompressor,
    @Inject(BlobStore) private readonly blobs: BlobStore,
  ) {}

  /** `diffId`: what the image says the layer is; `digest`: of the compressed bytes. Both are verified where given. */
  async take(
    part: FilePart,
    parent: StoredLayer | undefined,
    expected: { diffId?: string; digest?: string } = {},
  ): Promise<StoredLayer> {
    const compression = compressionOf(part);
    if (compression === 'none' || compression === 'gzip') {
      const source = { kind: 'file', ...part, compression, digest: expected.digest } as const;
      return this.layers.add(source, parent, expected.diffId);
    }
    const path = this.blobs.temporaryPath();
    try {
      await this.decompressor.decompress(part, compression, path);
      const plain = {
        kind: 'file',
        path,
        offset: 0,
        size: statSync(path).size,
        compression: 'none',
      } as const;
      return await this.layers.add(plain, parent, expected.diffId);
    } finally {
      rmSync(path, { force: true });
    }
  }
}
