import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { faultPoint } from '@gantry/shared/faults';
import { BlobStore } from '../blobs/blob-store';
import { ImageDatabase, Prisma } from '../database/image-database';
import { parseManifest } from './manifest';

interface DroppedBlob {
  digest: string;
  size: bigint;
}

/**
 * Takes away manifests, indexes and layer blobs that nothing refers to any more: a manifest lives as long as its image, an
 * index as long as a manifest it names or a repository that knows an image by it, a layer blob as long as a layer of its
 * diff id. The row goes first, under that condition, and then the file, unless somebody has claimed it since.
 */
@Injectable()
export class ManifestCollection {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(BlobStore) private readonly blobs: BlobStore,
  ) {
    this.nodeId = config.nodeId;
  }

  /**
   * After images were removed and layers released. `since`: a time from before the first of those rows went. Returns the
   * bytes of the layer blobs that went.
   */
  async collectRemoved(removed: { imageIds: string[]; diffIds: string[] }, since: Date): Promise<bigint> {
    const { imageIds, diffIds } = removed;
    const manifests = await this.dropManifests(Prisma.sql`m.image_id = ANY(${imageIds})`);
    const named = new Set(manifests);
    const indexes = (await this.indexesWithoutManifests()).filter((index) =>
      index.manifests.some((digest) => named.has(digest)),
    );
    const dropped = await this.dropIndexes(indexes.map((index) => index.digest));
    const layerBlobs = await this.dropLayerBlobs(Prisma.sql`b.diff_id = ANY(${diffIds})`);
    faultPoint('blob-rows-deleted');
    for (const digest of [...manifests, ...dropped]) this.blobs.dismiss(digest, since);
    return this.dismissLayerBlobs(layerBlobs, since);
  }

  /** Manifests that came before `until` and whose image is gone. */
  async unneededManifests(until: Date): Promise<string[]> {
    const rows = await this.database.$queryRaw<{ digest: string }[]>`
      SELECT m.digest FROM manifests m WHERE m.node_id = ${this.nodeId} AND m.created_at < ${until} AND ${imageIsGone}`;
    return rows.map(({ digest }) => digest);
  }

  /** Indexes that came before `until` and whose manifests are gone. */
  async unneededIndexes(until: Date): Promise<string[]> {
    return (await this.indexesWithoutManifests(until)).map(({ digest }) => digest);
  }

  /** Layer blobs that came before `until` and whose layer is gone. */
  async unneededLayerBlobs(until: Date): Promise<string[]> {
    const rows = await this.database.$queryRaw<{ digest: string }[]>`
      SELECT b.digest FROM layer_blobs b WHERE b.node_id = ${this.nodeId} AND b.created_at < ${until} AND ${layerIsGone}`;
    return rows.map(({ digest }) => digest);
  }

  /** Drops the row of one that was found to be unneeded, where it still is. The blob is left to the sweep of blobs. */
  async drop(digest: string): Promise<void> {
    await this.dropManifests(Prisma.sql`m.digest = ${digest}`);
    await this.dropIndexes([digest]);
    await this.dropLayerBlobs(Prisma.sql`b.digest = ${digest}`);
  }

  /** Digests that repositories were seen to have before `until` and that are no layer blobs of this node. */
  async unneededSources(until: Date): Promise<string[]> {
    const rows = await this.database.$queryRaw<{ digest: string }[]>`
      SELECT DISTINCT s.digest FROM blob_sources s WHERE s.node_id = ${this.nodeId} AND s.seen_at < ${until}
        AND NOT EXISTS (SELECT 1 FROM layer_blobs b WHERE b.node_id = s.node_id AND b.digest = s.digest)`;
    return rows.map(({ digest }) => digest);
  }

  async dropSources(digests: string[]): Promise<void> {
    await this.database.blobSource.deleteMany({ where: { nodeId: this.nodeId, digest: { in: digests } } });
  }

  private async dropManifests(condition: Prisma.Sql): Promise<string[]> {
    const rows = await this.database.$queryRaw<{ digest: string }[]>`
      DELETE FROM manifests m WHERE m.node_id = ${this.nodeId} AND ${condition} AND ${imageIsGone} RETURNING m.digest`;
    return rows.map(({ digest }) => digest);
  }

  private async dropLayerBlobs(condition: Prisma.Sql): Promise<DroppedBlob[]> {
    const dropped = await this.database.$queryRaw<DroppedBlob[]>`
      DELETE FROM layer_blobs b WHERE b.node_id = ${this.nodeId} AND ${condition} AND ${layerIsGone}
      RETURNING b.digest, b.size`;
    await this.dropSources(dropped.map(({ digest }) => digest));
    return dropped;
  }

  private dismissLayerBlobs(dropped: DroppedBlob[], since: Date): bigint {
    let bytes = 0n;
    for (const { digest, size } of dropped) if (this.blobs.dismiss(digest, since)) bytes += size;
    return bytes;
  }

  /** Indexes whose manifests are all gone and that no repository knows an image by, with the manifests they name. */
  private async indexesWithoutManifests(until?: Date): Promise<{ digest: string; manifests: string[] }[]> {
    const rows = await this.database.$queryRaw<
      { digest: string; media_type: string; document: Uint8Array }[]
    >`
      SELECT m.digest, m.media_type, m.document FROM manifests m
      WHERE m.node_id = ${this.nodeId} AND m.image_id IS NULL AND ${noRepositoryKnows}
        AND (${until ?? null}::timestamptz IS NULL OR m.created_at < ${until ?? null}::timestamptz)`;
    const indexes = rows.map((row) => ({
      digest: row.digest,
      manifests: manifestsOf(row.document, row.media_type),
    }));
    const alive = new Set(
      (
        await this.database.manifest.findMany({
          where: { nodeId: this.nodeId, digest: { in: indexes.flatMap((index) => index.manifests) } },
          select: { digest: true },
        })
      ).map(({ digest }) => digest),
    );
    return indexes.filter((index) => !index.manifests.some((digest) => alive.has(digest)));
  }

  private async dropIndexes(digests: string[]): Promise<string[]> {
    const rows = await this.database.$queryRaw<{ digest: string }[]>`
      DELETE FROM manifests m WHERE m.node_id = ${this.nodeId} AND m.digest = ANY(${digests}) AND m.image_id IS NULL
        AND ${noRepositoryKnows} RETURNING m.digest`;
    return rows.map(({ digest }) => digest);
  }
}

const imageIsGone = Prisma.sql`m.image_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM images i WHERE i.node_id = m.node_id AND i.id = m.image_id)`;

const layerIsGone = Prisma.sql`
  NOT EXISTS (SELECT 1 FROM layers l WHERE l.node_id = b.node_id AND l.diff_id = b.diff_id)`;

const noRepositoryKnows = Prisma.sql`
  NOT EXISTS (SELECT 1 FROM image_digests d WHERE d.node_id = m.node_id AND d.digest = m.digest)`;

/** None for what is no index: it names nothing that could keep it. */
function manifestsOf(document: Uint8Array, mediaType: string): string[] {
  try {
    const parsed = parseManifest(document, mediaType);
    return parsed.kind === 'index' ? parsed.manifests.map(({ digest }) => digest) : [];
  } catch {
    return [];
  }
}
