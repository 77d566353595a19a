import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { BlobStore } from '../blobs/blob-store';
import { ImageDatabase, isForeignKeyViolation } from '../database/image-database';
import { LayerDirectories, type LayerRecord } from '../layers/layer-directories';
import { REMOVING_PREFIX, TEMPORARY_PREFIX } from '../layers/layer-files';
import { LayerStore } from '../layers/layer-store';
import { SnapshotDirectories } from '../snapshots/snapshot-directories';

const MINUTE = 60_000;
/** Younger things may be another image-service's work of this moment. Milliseconds. */
const SETTLED_MS = 10 * MINUTE;

/**
 * Puts disk and index right after a crash. The disk decides what exists: what is there without a row gets its row back,
 * a row without a directory goes, and what was being made or removed when the end came is removed.
 */
@Injectable()
export class Reconcile {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(SnapshotDirectories) private readonly snapshots: SnapshotDirectories,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.nodeId = config.nodeId;
  }

  async run(): Promise<void> {
    const present = this.directories.list();
    for (const { name, ageMs } of present) {
      const unfinished =
        name.startsWith(TEMPORARY_PREFIX) && !this.directories.isInWork(name) && ageMs > MINUTE;
      if (name.startsWith(REMOVING_PREFIX)) await this.directories.erase(name);
      else if (unfinished) await this.directories.remove(name).done;
    }
    const settled = present.filter(({ name, ageMs }) => !name.startsWith('.') && ageMs > SETTLED_MS);
    await this.indexLayers(settled.map(({ name }) => name));
    await this.indexSnapshots(present.map(({ name }) => name));
    await this.dropMissingSnapshots();
    await this.writeMissingBlobs();
    await this.collectLayers();
  }

  /** Lowest first, since a layer's row refers to its parent's. */
  private async indexLayers(names: string[]): Promise<void> {
    const rows = await this.database.layer.findMany({
      where: { nodeId: this.nodeId },
      select: { layerId: true, chainId: true },
    });
    const known = new Set(rows.map((row) => row.layerId));
    const chains = new Set(rows.map((row) => row.chainId));
    const orphans = new Map<string, LayerRecord>();
    for (const name of names) {
      const record = known.has(name) ? undefined : this.directories.record(name);
      if (record) orphans.set(name, record);
    }
    for (let progress = true; progress && orphans.size > 0;) {
      progress = false;
      for (const [layerId, record] of orphans) {
        if (record.parentChainId !== null && !chains.has(record.parentChainId)) continue;
        orphans.delete(layerId);
        progress = true;
        if (chains.has(record.chainId)) await this.directories.remove(layerId).done;
        else await this.indexLayer(layerId, record);
        chains.add(record.chainId);
      }
    }
    for (const layerId of orphans.keys()) await this.directories.remove(layerId).done;
  }

  private async indexLayer(layerId: string, record: LayerRecord): Promise<void> {
    this.logger.info({ layer: layerId }, 'layer was on disk but not in the index');
    await this.database.layer.createMany({
      data: [
        {
          nodeId: this.nodeId,
          layerId,
          chainId: record.chainId,
          diffId: record.diffId,
          parentChainId: record.parentChainId,
          size: BigInt(record.size),
          archiveSize: BigInt(record.archiveSize),
        },
      ],
      skipDuplicates: true,
    });
  }

  private async indexSnapshots(names: string[]): Promise<void> {
    const rows = await this.database.snapshot.findMany({
      where: { nodeId: this.nodeId },
      select: { containerId: true },
    });
    const known = new Set(rows.map((row) => row.containerId));
    for (const name of names) {
      const record = known.has(name) ? undefined : this.snapshots.record(name);
      if (!record) continue;
      this.logger.info({ container: name }, 'container layer was on disk but not in the index');
      try {
        await this.database.snapshot.createMany({
          data: [{ nodeId: this.nodeId, ...record }],
          skipDuplicates: true,
        });
      } catch (error) {
        if (!isForeignKeyViolation(error)) throw error;
        this.logger.error({ container: name }, 'the layers below a container are gone');
      }
    }
  }

  private async dropMissingSnapshots(): Promise<void> {
    const rows = await this.database.snapshot.findMany({
      where: { nodeId: this.nodeId, createdAt: { lt: new Date(Date.now() - MINUTE) } },
    });
    const gone = rows.map((row) => row.containerId).filter((id) => !this.snapshots.exists(id));
    await this.database.snapshot.deleteMany({ where: { nodeId: this.nodeId, containerId: { in: gone } } });
  }

  private async writeMissingBlobs(): Promise<void> {
    const rows = await this.database.image.findMany({ where: { nodeId: this.nodeId }, select: { id: true } });
    for (const { id } of rows.filter((row) => !this.blobs.has(row.id))) {
      const image = await this.database.image.findUnique({
        where: { nodeId_id: { nodeId: this.nodeId, id } },
      });
      if (image) this.blobs.put(image.config, id);
    }
  }

  /** Layers no image and no container needs: of a load that was broken off for good, or of a removal. */
  private async collectLayers(): Promise<void> {
    const images = await this.database.image.count({ where: { nodeId: this.nodeId } });
    // An empty index beside a full disk is a lost database, not rubbish.
    if (images === 0) return;
    const unused = await this.database.layer.findMany({
      where: {
        nodeId: this.nodeId,
        createdAt: { lt: new Date(Date.now() - 6 * SETTLED_MS) },
        images: { none: {} },
        children: { none: {} },
        snapshots: { none: {} },
      },
    });
    for (const layer of unused) await this.layers.release(layer.chainId);
  }
}
