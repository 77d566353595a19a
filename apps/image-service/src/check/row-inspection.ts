import { existsSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { ImageDatabase, type Layer } from '../database/image-database';
import { LayerDirectories } from '../layers/layer-directories';
import { LAYER_COMMITTED, LAYER_DIFF } from '../layers/layer-files';
import { LayerStore } from '../layers/layer-store';
import { ManifestCollection } from '../manifests/manifest-collection';
import { familiar } from '../references/reference';
import { SnapshotDirectories } from '../snapshots/snapshot-directories';
import { before, type Finding, type Inspection, MOMENT_MS, UNREFERENCED_MS } from './finding';
import { LayerRepair } from './layer-repair';

/** Rows without a directory, rows that refer to nothing, and rows that nothing refers to. */
@Injectable()
export class RowInspection implements Inspection {
  readonly subject = 'index';
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(SnapshotDirectories) private readonly snapshots: SnapshotDirectories,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(ManifestCollection) private readonly collection: ManifestCollection,
    @Inject(LayerRepair) private readonly layerRepair: LayerRepair,
  ) {
    this.nodeId = config.nodeId;
  }

  async *inspect(): AsyncGenerator<Finding> {
    yield* this.lostContainerLayers();
    yield* this.danglingNames();
    yield* this.unusedLayers();
    yield* this.lostLayers();
    yield* this.unneededManifests();
  }

  private async *lostContainerLayers(): AsyncGenerator<Finding> {
    const where = { nodeId: this.nodeId, createdAt: { lt: before(MOMENT_MS) } };
    for (const { containerId } of await this.database.snapshot.findMany({ where })) {
      if (this.snapshots.exists(containerId)) continue;
      const row = { nodeId: this.nodeId, containerId };
      if ((await this.database.snapshot.count({ where: row })) === 0) continue;
      const mend = async () => {
        await this.database.snapshot.deleteMany({ where: row });
        return 'row removed';
      };
      const problem = 'is in the index but not on disk';
      yield { kind: 'container-layer', id: containerId, problem, mending: { by: 'sweep', mend } };
    }
  }

  /** The database forbids them; a restored or edited one may have them all the same. */
  private async *danglingNames(): AsyncGenerator<Finding> {
    const names = await this.database.$queryRaw<
      { repository: string; tag: string | null; digest: string | null }[]
    >`
      SELECT n.repository, n.tag, n.digest FROM (
        SELECT node_id, repository, tag, NULL AS digest, image_id FROM tags
        UNION ALL SELECT node_id, repository, NULL, digest, image_id FROM image_digests
      ) n WHERE n.node_id = ${this.nodeId}
        AND NOT EXISTS (SELECT 1 FROM images i WHERE i.node_id = n.node_id AND i.id = n.image_id)`;
    for (const { repository, tag, digest } of names) {
      const mend = async () => {
        const { nodeId } = this;
        if (tag !== null) await this.database.tag.deleteMany({ where: { nodeId, repository, tag } });
        if (digest !== null)
          await this.database.imageDigest.deleteMany({ where: { nodeId, repository, digest } });
        return 'removed';
      };
      const id = familiar({ repository, tag: tag ?? undefined, digest: digest ?? undefined });
      yield {
        kind: 'name',
        id,
        problem: 'is the name of an image that is gone',
        mending: { by: 'sweep', mend },
      };
    }
  }

  private async *unusedLayers(): AsyncGenerator<Finding> {
    const unused = await this.database.layer.findMany({
      where: {
        nodeId: this.nodeId,
        createdAt: { lt: before(UNREFERENCED_MS) },
        images: { none: {} },
        children: { none: {} },
        snapshots: { none: {} },
        steps: { none: {} },
      },
    });
    for (const { chainId } of unused) {
      const mend = async () => {
        const { length } = await this.layers.release(chainId);
        return length > 1 ? `removed with ${length - 1} below it` : 'removed';
      };
      const problem = 'is needed by no image and no container';
      yield { kind: 'layer', id: chainId, problem, mending: { by: 'sweep', mend } };
    }
  }

  private async *lostLayers(): AsyncGenerator<Finding> {
    for (const layer of await this.database.layer.findMany({ where: { nodeId: this.nodeId } })) {
      const lost = [LAYER_COMMITTED, LAYER_DIFF].find(
        (file) => !existsSync(this.directories.path(layer.layerId, file)),
      );
      // A layer that is being removed loses its row before its directory.
      if (lost === undefined || !(await this.isStillThere(layer))) continue;
      const problem = `its directory overlay2/${layer.layerId} is ${lost === LAYER_COMMITTED ? 'missing' : 'not whole'}`;
      const mending = { by: 'repair', mend: () => this.layerRepair.repair(layer) } as const;
      yield { kind: 'layer', id: layer.chainId, problem, mending };
    }
  }

  private async isStillThere({ layerId }: Layer): Promise<boolean> {
    return (await this.database.layer.count({ where: { nodeId: this.nodeId, layerId } })) > 0;
  }

  private async *unneededManifests(): AsyncGenerator<Finding> {
    const until = before(UNREFERENCED_MS);
    for (const id of await this.collection.unneededManifests(until)) yield this.unneeded(id, 'manifest');
    for (const id of await this.collection.unneededIndexes(until)) yield this.unneeded(id, 'manifest');
    for (const id of await this.collection.unneededLayerBlobs(until)) yield this.unneeded(id, 'blob');
    const sources = await this.collection.unneededSources(until);
    for (const id of sources) {
      const mend = async () => {
        await this.collection.dropSources([id]);
        return 'forgotten';
      };
      const problem = 'is known to be in a repository but is not kept';
      yield { kind: 'blob', id, problem, mending: { by: 'sweep', mend } };
    }
  }

  private unneeded(id: string, kind: 'manifest' | 'blob'): Finding {
    const mend = async () => {
      await this.collection.drop(id);
      return 'row removed';
    };
    const problem =
      kind === 'blob' ? 'is the archive of a layer that is gone' : 'describes no image of this node';
    return { kind, id, problem, mending: { by: 'sweep', mend } };
  }
}
