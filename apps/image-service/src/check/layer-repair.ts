import { existsSync, readFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { BlobStore } from '../blobs/blob-store';
import { ImageDatabase, type Layer } from '../database/image-database';
import { LayerDirectories } from '../layers/layer-directories';
import { LAYER_COMMITTED, LAYER_LOWER, LINKS } from '../layers/layer-files';
import { LayerStore, type StagedLayer } from '../layers/layer-store';
import { ManifestStore } from '../manifests/manifest-store';
import { InitLayer } from '../snapshots/init-layer';
import { SnapshotDirectories } from '../snapshots/snapshot-directories';
import { ImageDropping } from './image-dropping';

/** What can be done about a layer whose directory is lost or was changed. */
@Injectable()
export class LayerRepair {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(SnapshotDirectories) private readonly snapshots: SnapshotDirectories,
    @Inject(InitLayer) private readonly initLayer: InitLayer,
    @Inject(ImageDropping) private readonly dropping: ImageDropping,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.nodeId = config.nodeId;
  }

  /** Unpacks it again from its kept blob; where there is none, drops the images that need it. Says what was done. */
  async repair(layer: Layer): Promise<string | undefined> {
    const staged = await this.unpackAgain(layer);
    if (!staged) return this.dropping.drop(layer, await this.containersOn(layer));
    try {
      // A mount goes on with what it was mounted from, and what is below an overlay must not change meanwhile.
      if ((await this.containersOn(layer)).some((id) => this.snapshots.isMounted(id))) return undefined;
      await this.putBack(layer, staged);
      return 'unpacked again from its blob';
    } finally {
      await this.layers.discard(staged);
    }
  }

  private async unpackAgain(layer: Layer): Promise<StagedLayer | undefined> {
    for (const { digest } of await this.manifests.layerBlobsOf(layer.diffId)) {
      const size = this.blobs.size(digest);
      if (size === undefined) continue;
      try {
        const path = this.blobs.path(digest);
        const staged = await this.layers.stage({ kind: 'file', path, offset: 0, size, digest });
        if (staged.diffId === layer.diffId) return staged;
        await this.layers.discard(staged);
      } catch (error) {
        this.logger.warn({ blob: digest, reason: messageOf(error) }, 'a layer cannot be made from its blob');
      }
    }
    return undefined;
  }

  private async putBack(layer: Layer, staged: StagedLayer): Promise<void> {
    const { layerId, chainId, diffId, parentChainId } = layer;
    if (existsSync(this.directories.path(layerId, LAYER_COMMITTED))) {
      this.directories.replaceContent(staged.temporary, layerId);
      return;
    }
    const short = await this.knownShortOf(layer);
    // What is left of it without its record would be in the way.
    await this.directories.remove(layerId).done;
    const parent = parentChainId === null ? undefined : await this.layers.find(parentChainId);
    this.directories.commitAgain(
      staged.temporary,
      layerId,
      { chainId, diffId, parentChainId, size: Number(layer.size), archiveSize: Number(layer.archiveSize) },
      { short, parentLayerId: parent?.layerId },
    );
    // Containers that were made on it name this part of it.
    this.initLayer.lowerFor(layerId);
  }

  /** The short name that layers and containers above it know it by. */
  private async knownShortOf({ layerId, chainId }: Layer): Promise<string | undefined> {
    const linked = this.directories.links().find(({ id }) => id === layerId);
    if (linked) return linked.short;
    const own = this.directories.shortOf(layerId);
    if (own !== undefined) return own;
    const above = await this.database.layer.findFirst({
      where: { nodeId: this.nodeId, parentChainId: chainId },
    });
    const container = await this.database.snapshot.findFirst({
      where: { nodeId: this.nodeId, topChainId: chainId },
    });
    for (const name of [above?.layerId, container?.containerId]) {
      const path = name && this.directories.path(name, LAYER_LOWER);
      if (!path || !existsSync(path)) continue;
      const first = readFileSync(path, 'utf8')
        .split(':')
        .find((lower) => lower.startsWith(`${LINKS}/`));
      if (first !== undefined) return first.slice(LINKS.length + 1);
    }
    return undefined;
  }

  /** The containers whose root file system the layer is part of. */
  private async containersOn({ chainId }: Layer): Promise<string[]> {
    const rows = await this.database.$queryRaw<{ container_id: string }[]>`
      WITH RECURSIVE above AS (
        SELECT l.node_id, l.chain_id FROM layers l WHERE l.node_id = ${this.nodeId} AND l.chain_id = ${chainId}
        UNION ALL
        SELECT l.node_id, l.chain_id FROM layers l JOIN above a ON l.node_id = a.node_id AND l.parent_chain_id = a.chain_id
      )
      SELECT s.container_id FROM snapshots s JOIN above a ON s.node_id = a.node_id AND s.top_chain_id = a.chain_id`;
    return rows.map((row) => row.container_id);
  }
}
