import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { conflict, notFound } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ImageDatabase, Prisma, isForeignKeyViolation, type Snapshot } from '../database/image-database';
import { matchesPlatform, parseImageConfig, parsePlatform } from '../images/image-config';
import { type ImageCondition, ImageLookup, noSuchImage } from '../images/image-lookup';
import { shortId } from '../images/image-references';
import { LayerDirectories } from '../layers/layer-directories';
import { LayerStore } from '../layers/layer-store';
import { InitLayer } from './init-layer';
import { changesOf, type FilesystemChange } from './snapshot-changes';
import { type GraphDriver, SnapshotDirectories } from './snapshot-directories';
import { sizeOfTree } from './snapshot-size';
import { layerLimit } from './storage-options';

export interface PreparedSnapshot {
  imageId: string;
  /** The image configuration, byte for byte. */
  config: Uint8Array;
  rootfs: string;
}

interface PreparedRow {
  id: string;
  config: Uint8Array;
  topChainId: string | null;
  layerId: string | null;
}

/** How many images' lower directories are remembered. They never change while their top layer lives. */
const REMEMBERED = 256;

/** The read-write layers of containers. The hot path: one database round trip to prepare, none to mount. */
@Injectable()
export class SnapshotStore {
  private readonly nodeId: string;
  /** Lower directories by top layer; layer ids are never used twice. */
  private readonly lowers = new Map<string, string[]>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(LayerDirectories) private readonly layers: LayerDirectories,
    @Inject(LayerStore) private readonly layerStore: LayerStore,
    @Inject(SnapshotDirectories) private readonly directories: SnapshotDirectories,
    @Inject(InitLayer) private readonly initLayer: InitLayer,
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.nodeId = config.nodeId;
  }

  /**
   * Row first: from then on neither the image's layers nor, without force, the image can go away.
   * `bare`: without the files that every container gets.
   * @throws NotFound `No such image: x:tag`, also where the image is for another platform than asked for.
   */
  async prepare(
    containerId: string,
    image: string,
    platform: string,
    { bare = false, storageOptions = {} }: { bare?: boolean; storageOptions?: Record<string, string> } = {},
  ): Promise<PreparedSnapshot> {
    const limit = layerLimit(this.linux, this.layers.root, storageOptions);
    const row = await this.insert(containerId, image);
    if (!row) throw noSuchImage(image);
    try {
      if (platform !== '') this.checkPlatform(row, image, platform);
      if (!this.directories.exists(containerId)) {
        const record = { containerId, imageId: row.id, topChainId: row.topChainId };
        const lower = this.lowerOf(row.layerId ?? undefined);
        // The topmost is the one with those files; an image without layers has no other.
        this.directories.create(record, bare && row.layerId ? lower.slice(1) : lower, limit);
      }
    } catch (error) {
      await this.database.snapshot.deleteMany({ where: { nodeId: this.nodeId, containerId } });
      throw error;
    }
    return { imageId: row.id, config: row.config, rootfs: this.directories.rootfs(containerId) };
  }

  /** Mounts, however often. Returns API DriverData. @throws InvalidArgument for remapped, where the instance has no remapping */
  mount(
    containerId: string,
    { remapped }: { remapped: boolean } = { remapped: false },
  ): { rootfs: string; graphDriver: GraphDriver } {
    this.require(containerId);
    this.directories.mount(containerId, remapped);
    return {
      rootfs: this.directories.rootfs(containerId),
      graphDriver: this.directories.graphDriver(containerId),
    };
  }

  unmount(containerId: string): void {
    this.directories.unmount(containerId);
  }

  /** Directory first: what a crash leaves is a row without a directory, which the next start takes away. */
  async remove(containerId: string): Promise<void> {
    this.directories.remove(containerId).catch((error: unknown) => {
      this.logger.warn(
        { err: error, container: containerId },
        'layer not deleted yet; the next start goes on',
      );
    });
    const [row] = await this.database.fast<{ top_chain_id: string | null; image: string | null }>(Prisma.sql`
      DELETE FROM snapshots s WHERE s.node_id = ${this.nodeId} AND s.container_id = ${containerId}
      RETURNING s.top_chain_id,
        (SELECT i.id FROM images i WHERE i.node_id = s.node_id AND i.id = s.image_id) AS image`);
    // The image went before its container: nobody else takes the layers away.
    if (row && row.image === null) await this.layerStore.release(row.top_chain_id);
  }

  async usage(containerId: string): Promise<{ sizeRw: number; sizeRootFs: number }> {
    const record = this.require(containerId);
    const image = await this.database.image.findUnique({
      where: { nodeId_id: { nodeId: this.nodeId, id: record.imageId } },
      select: { size: true },
    });
    const sizeRw = await sizeOfTree(this.directories.upper(containerId));
    return { sizeRw, sizeRootFs: sizeRw + Number(image?.size ?? 0n) };
  }

  changes(containerId: string): FilesystemChange[] {
    this.require(containerId);
    const lower = this.directories.lower(containerId).map((directory) => this.layers.path(directory));
    return changesOf(this.linux, this.directories.upper(containerId), lower);
  }

  async list(): Promise<(Snapshot & { mounted: boolean })[]> {
    const rows = await this.database.snapshot.findMany({ where: { nodeId: this.nodeId } });
    return rows.map((row) => ({ ...row, mounted: this.directories.isMounted(row.containerId) }));
  }

  private async insert(containerId: string, image: string): Promise<PreparedRow | undefined> {
    for (const condition of this.lookup.conditions(image)) {
      const rows = await this.insertWhere(containerId, condition);
      if (rows.length === 1) return rows[0];
    }
    return undefined;
  }

  private async insertWhere(containerId: string, condition: ImageCondition): Promise<PreparedRow[]> {
    try {
      return await this.database.fast<PreparedRow>(Prisma.sql`
        WITH found AS (
          SELECT i.id, i.config, i.top_chain_id, l.layer_id FROM images i
          LEFT JOIN layers l ON l.node_id = i.node_id AND l.chain_id = i.top_chain_id
          WHERE i.node_id = ${this.nodeId} AND ${condition} LIMIT 2
        ), added AS (
          INSERT INTO snapshots (node_id, container_id, image_id, top_chain_id)
          SELECT ${this.nodeId}, ${containerId}, id, top_chain_id FROM found WHERE (SELECT count(*) FROM found) = 1
          ON CONFLICT DO NOTHING
        )
        SELECT id, config, top_chain_id AS "topChainId", layer_id AS "layerId" FROM found`);
    } catch (error) {
      // The image was removed in this very moment.
      if (isForeignKeyViolation(error)) return [];
      throw error;
    }
  }

  private checkPlatform(row: PreparedRow, image: string, platform: string): void {
    const config = parseImageConfig(row.config);
    if (matchesPlatform(config, parsePlatform(platform))) return;
    const found = [config.os, config.architecture, config.variant].filter(Boolean).join('/');
    throw notFound(
      `image with reference ${image} was found but does not provide the specified platform (${platform}), ` +
        `actual: ${found}`,
    );
  }

  private lowerOf(topLayerId: string | undefined): string[] {
    const key = topLayerId ?? '';
    const known = this.lowers.get(key);
    if (known) return known;
    const lower = this.initLayer.lowerFor(topLayerId);
    const oldest = this.lowers.keys().next();
    if (this.lowers.size >= REMEMBERED && !oldest.done) this.lowers.delete(oldest.value);
    this.lowers.set(key, lower);
    return lower;
  }

  private require(containerId: string) {
    const record = this.directories.record(containerId);
    if (!record) throw notFound(`No such container: ${shortId(containerId)}`);
    if (record.containerId !== containerId)
      throw conflict(`${containerId} is the layer of ${record.containerId}`);
    return record;
  }
}
