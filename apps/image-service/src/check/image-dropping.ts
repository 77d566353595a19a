import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { BlobStore } from '../blobs/blob-store';
import { type Image, ImageDatabase, isForeignKeyViolation, type Layer } from '../database/image-database';
import { parseImageConfig } from '../images/image-config';
import { shortId } from '../images/image-references';
import { ImageStore } from '../images/image-store';
import { LayerStore } from '../layers/layer-store';
import { ManifestCollection } from '../manifests/manifest-collection';
import { familiar } from '../references/reference';

/** Gives up images that cannot be mended: their names, their layers as far as nothing else needs them. */
@Injectable()
export class ImageDropping {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(ManifestCollection) private readonly collection: ManifestCollection,
  ) {
    this.nodeId = config.nodeId;
  }

  /**
   * Drops all images that the layer is part of, and the layer. `containers`: those on it; while there is one the layer stays
   * as it is, and so do its images. Says what was dropped; undefined: nothing could be done.
   */
  async drop(layer: Layer, containers: string[]): Promise<string | undefined> {
    if (containers.length > 0) return undefined;
    const names: string[] = [];
    const steps = await this.dropSteps(layer);
    for (const image of await this.imagesOn(layer)) names.push(...(await this.dropImage(image)));
    for (const chainId of [...steps, layer.chainId]) await this.layers.release(chainId);
    const isGone = (await this.layers.find(layer.chainId)) === undefined;
    if (!isGone) return undefined;
    return names.length > 0
      ? `dropped ${names.join(', ')}, which cannot be mended: pull or load it again`
      : 'removed';
  }

  /** What builds have kept of it: they do it again. Returns the layers that those steps held. */
  private async dropSteps({ chainId }: Layer): Promise<string[]> {
    const rows = await this.database.$queryRaw<{ top_chain_id: string }[]>`
      WITH RECURSIVE above AS (
        SELECT l.chain_id FROM layers l WHERE l.node_id = ${this.nodeId} AND l.chain_id = ${chainId}
        UNION ALL
        SELECT l.chain_id FROM layers l JOIN above a ON l.parent_chain_id = a.chain_id WHERE l.node_id = ${this.nodeId}
      )
      DELETE FROM build_steps WHERE node_id = ${this.nodeId} AND top_chain_id IN (SELECT chain_id FROM above)
      RETURNING top_chain_id`;
    return [...new Set(rows.map((row) => row.top_chain_id))];
  }

  /** The names that it had, or its id. */
  async dropImage(image: Image): Promise<string[]> {
    const since = new Date();
    const { tags, digests } = await this.images.references(image.id);
    const where = { nodeId: this.nodeId, imageId: image.id };
    try {
      await this.database.$transaction([
        this.database.tag.deleteMany({ where }),
        this.database.imageDigest.deleteMany({ where }),
        this.database.image.deleteMany({ where: { nodeId: this.nodeId, id: image.id } }),
      ]);
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error;
      return [];
    }
    this.images.noteChange();
    this.blobs.dismiss(image.id, since);
    const released = await this.layers.release(image.topChainId);
    await this.collection.collectRemoved(
      { imageIds: [image.id], diffIds: released.map((layer) => layer.diffId) },
      since,
    );
    this.announce(image);
    const names = [...tags, ...digests].map((name) => familiar(name));
    return names.length > 0 ? names : [shortId(image.id)];
  }

  private announce(image: Image): void {
    let labels: Record<string, string> = {};
    try {
      labels = parseImageConfig(image.config).config?.Labels ?? {};
    } catch {
      // Its configuration is what was broken.
    }
    this.images.publish(image.id, 'delete', image.id, labels);
  }

  private async imagesOn({ chainId }: Layer): Promise<Image[]> {
    const rows = await this.database.$queryRaw<{ id: string }[]>`
      WITH RECURSIVE above AS (
        SELECT l.node_id, l.chain_id FROM layers l WHERE l.node_id = ${this.nodeId} AND l.chain_id = ${chainId}
        UNION ALL
        SELECT l.node_id, l.chain_id FROM layers l JOIN above a ON l.node_id = a.node_id AND l.parent_chain_id = a.chain_id
      )
      SELECT i.id FROM images i JOIN above a ON i.node_id = a.node_id AND i.top_chain_id = a.chain_id`;
    return this.database.image.findMany({
      where: { nodeId: this.nodeId, id: { in: rows.map(({ id }) => id) } },
    });
  }
}
