import { Inject, Injectable } from '@nestjs/common';
import { BlobStore } from '../blobs/blob-store';
import type { StoredLayer } from '../layers/layer-store';
import { layerCompressionOf } from '../manifests/media-types';
import { ManifestStore, type StoredLayerBlob } from '../manifests/manifest-store';
import { CompressLayer } from './compress-layer';

/** Decides which bytes a layer is sent as. */
@Injectable()
export class LayerBlobs {
  constructor(
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(CompressLayer) private readonly compressor: CompressLayer,
  ) {}

  /** One that is kept, or else made. `repository`: where it goes; empty: to no registry. */
  async of(layer: StoredLayer, repository: string, signal: AbortSignal): Promise<StoredLayerBlob> {
    return (await this.best(layer.diffId, repository)) ?? this.compressor.compress(layer, signal);
  }

  isWhole(blob: StoredLayerBlob): boolean {
    return this.blobs.size(blob.digest) === Number(blob.size);
  }

  /** One that the repository has, or another one of its registry; gzip before what only OCI manifests can name. */
  private async best(diffId: string, repository: string): Promise<StoredLayerBlob | undefined> {
    const host = hostOf(repository);
    const rated: { blob: StoredLayerBlob; rank: number }[] = [];
    for (const blob of await this.manifests.layerBlobsOf(diffId)) {
      if (!this.isWhole(blob)) continue;
      const sources = await this.manifests.sourcesOf(blob.digest);
      const isThere = sources.includes(repository);
      const isNear = sources.some((source) => source.startsWith(host));
      const isGzip = layerCompressionOf(blob.mediaType) === 'gzip';
      rated.push({ blob, rank: (isThere ? 4 : 0) + (isNear ? 2 : 0) + (isGzip ? 1 : 0) });
    }
    return rated.sort((a, b) => b.rank - a.rank)[0]?.blob;
  }
}

/** With the slash. */
export const hostOf = (repository: string): string => repository.slice(0, repository.indexOf('/') + 1);
