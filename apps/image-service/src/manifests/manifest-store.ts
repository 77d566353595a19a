import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { BlobStore } from '../blobs/blob-store';
import { ImageDatabase, type LayerBlob, type Manifest } from '../database/image-database';

/** A layer as registries have it. */
export type StoredLayerBlob = Pick<LayerBlob, 'digest' | 'diffId' | 'mediaType' | 'size'>;

/** Manifests, indexes and compressed layers of this node, byte for byte as registries have them. */
@Injectable()
export class ManifestStore {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(BlobStore) private readonly blobs: BlobStore,
  ) {
    this.nodeId = config.nodeId;
  }

  /** `imageId`: the image that a manifest describes, null for an index. */
  async put(
    manifest: { bytes: Buffer; mediaType: string; digest: string },
    imageId: string | null,
  ): Promise<void> {
    this.blobs.put(manifest.bytes, manifest.digest);
    const { digest, mediaType, bytes } = manifest;
    await this.database.manifest.createMany({
      data: [{ nodeId: this.nodeId, digest, mediaType, document: Uint8Array.from(bytes), imageId }],
      skipDuplicates: true,
    });
    // Whoever removed the same manifest in between may have taken the blob along.
    this.blobs.put(bytes, digest);
  }

  async find(digest: string): Promise<Manifest | undefined> {
    const found = await this.database.manifest.findUnique({
      where: { nodeId_digest: { nodeId: this.nodeId, digest } },
    });
    return found ?? undefined;
  }

  /** The manifests that describe an image, oldest first. */
  async ofImage(imageId: string): Promise<Manifest[]> {
    const where = { nodeId: this.nodeId, imageId };
    return this.database.manifest.findMany({ where, orderBy: { createdAt: 'asc' } });
  }

  /**
   * The bytes have to be in the blob store by now, and the layer committed: a layer blob without a layer is nobody's. False
   * when the bytes were swept away meanwhile; then there is no row either.
   */
  async addLayerBlob(blob: StoredLayerBlob): Promise<boolean> {
    await this.database.layerBlob.createMany({
      data: [{ nodeId: this.nodeId, ...blob }],
      skipDuplicates: true,
    });
    if (this.blobs.claim(blob.digest)) return true;
    await this.dropLayerBlob(blob.digest);
    return false;
  }

  /** Forgets a layer blob whose bytes are gone or broken. */
  async dropLayerBlob(digest: string): Promise<void> {
    await this.database.layerBlob.deleteMany({ where: { nodeId: this.nodeId, digest } });
  }

  async layerBlob(digest: string): Promise<StoredLayerBlob | undefined> {
    const where = { nodeId_digest: { nodeId: this.nodeId, digest } };
    return (await this.database.layerBlob.findUnique({ where })) ?? undefined;
  }

  /** The compressed forms of a layer that are kept. */
  async layerBlobsOf(diffId: string): Promise<StoredLayerBlob[]> {
    return this.database.layerBlob.findMany({ where: { nodeId: this.nodeId, diffId } });
  }

  /** Remembers that a repository has these blobs. */
  async addSources(digests: string[], repository: string): Promise<void> {
    await this.database.blobSource.createMany({
      data: digests.map((digest) => ({ nodeId: this.nodeId, digest, repository })),
      skipDuplicates: true,
    });
  }

  /** Repositories that were seen to have the blob, the newest first. */
  async sourcesOf(digest: string): Promise<string[]> {
    const where = { nodeId: this.nodeId, digest };
    const rows = await this.database.blobSource.findMany({ where, orderBy: { seenAt: 'desc' } });
    return rows.map((row) => row.repository);
  }
}
