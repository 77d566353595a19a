import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { invalidArgument, notFound } from '@gantry/shared/errors';
import { faultPoint } from '@gantry/shared/faults';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ImageDatabase, isForeignKeyViolation, type Layer } from '../database/image-database';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import { Slots } from '../slots';
import type { AdoptedSource } from './adopt-upper';
import { chainIdOf } from './chain-id';
import { LayerDirectories } from './layer-directories';
import type { LayerSource } from './layer-source';
import { UNPACK_TASK, type UnpackObserver, type UnpackTask } from './layer-task';
import { SharedFlush } from './shared-flush';
import type { UnpackedLayer } from './unpack-layer';

export type StoredLayer = Pick<
  Layer,
  'chainId' | 'diffId' | 'parentChainId' | 'layerId' | 'size' | 'archiveSize'
>;

/** A layer that is unpacked and waits for those below it. */
export interface StagedLayer extends UnpackedLayer {
  temporary: string;
  /** It may not be on disk yet. */
  unflushed?: boolean;
}

/** The read-only layers of this node: directories on disk, indexed by chain id. */
@Injectable()
export class LayerStore {
  private readonly nodeId: string;
  private readonly slots: Slots;
  private readonly flush: SharedFlush;
  /** Layer ids that this process has committed and not flushed yet. */
  private readonly unflushed = new Set<string>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(UNPACK_TASK) private readonly unpack: UnpackTask,
    @Inject(IMAGE_SETTINGS) private readonly settings: ImageSettings,
    @Inject(LINUX) linux: Pick<Linux, 'mounts'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.nodeId = config.nodeId;
    this.slots = new Slots(settings.maxUnpacks);
    this.flush = new SharedFlush(() => linux.mounts.syncfs(directories.root));
  }

  async find(chainId: string): Promise<StoredLayer | undefined> {
    return (await this.database.layer.findUnique({ where: this.key(chainId) })) ?? undefined;
  }

  /** The layer and all below it, topmost first. */
  async chain(topChainId: string | null): Promise<StoredLayer[]> {
    if (topChainId === null) return [];
    return this.database.$queryRaw<StoredLayer[]>`
      WITH RECURSIVE chain AS (
        SELECT l.*, 0 AS depth FROM layers l WHERE l.node_id = ${this.nodeId} AND l.chain_id = ${topChainId}
        UNION ALL
        SELECT l.*, c.depth + 1 FROM layers l JOIN chain c ON l.node_id = c.node_id AND l.chain_id = c.parent_chain_id
      )
      SELECT chain_id AS "chainId", diff_id AS "diffId", parent_chain_id AS "parentChainId", layer_id AS "layerId", size,
        archive_size AS "archiveSize"
      FROM chain ORDER BY depth`;
  }

  /** The layers of these chain ids that are there, in any order. */
  async findAll(chainIds: string[]): Promise<StoredLayer[]> {
    return this.database.layer.findMany({ where: { nodeId: this.nodeId, chainId: { in: chainIds } } });
  }

  /** Those of these chain ids that are part of an image; the others are kept by builds or containers alone. */
  async inImages(chainIds: string[]): Promise<Set<string>> {
    const rows = await this.database.$queryRaw<{ part: string }[]>`
      WITH RECURSIVE above AS (
        SELECT l.chain_id AS part, l.chain_id FROM layers l
        WHERE l.node_id = ${this.nodeId} AND l.chain_id = ANY(${chainIds})
        UNION ALL
        SELECT a.part, l.chain_id FROM layers l JOIN above a ON l.parent_chain_id = a.chain_id
        WHERE l.node_id = ${this.nodeId}
      )
      SELECT DISTINCT part FROM above a
      JOIN images i ON i.node_id = ${this.nodeId} AND i.top_chain_id = a.chain_id`;
    return new Set(rows.map(({ part }) => part));
  }

  /**
   * Unpacks an archive on top of `parent` and commits it, unless the layer is there already.
   * @throws InvalidArgument when the archive is bad or is not the one that `diffId` names.
   */
  async add(source: LayerSource, parent: StoredLayer | undefined, diffId?: string): Promise<StoredLayer> {
    const existing = diffId === undefined ? undefined : await this.find(chainIdOf(parent?.chainId, diffId));
    if (existing) return existing;
    return this.commit(await this.stage(source), parent, diffId);
  }

  /** Unpacks an archive, whatever it will lie on, and flushes it to disk. Whoever stages commits or discards. */
  async stage(source: LayerSource, observer: UnpackObserver = {}): Promise<StagedLayer> {
    const staged = await this.slots.use(() => this.unpackTemporary(source, observer), observer.signal);
    try {
      await this.flush.reach();
    } catch (error) {
      await this.erase(staged.temporary);
      throw error;
    }
    return staged;
  }

  /**
   * The diff/ of a directory that {@link LayerDirectories.makeTemporary} made, which was the upper directory of an overlay, as a
   * staged layer: nothing is copied. Removed with all that is in it when it fails. It is on disk for sure after {@link settle}.
   */
  async adopt(
    temporary: string,
    source: Omit<AdoptedSource, 'kind'>,
    signal: AbortSignal,
  ): Promise<StagedLayer> {
    const adopted: AdoptedSource = { kind: 'adopted', ...source };
    const task = { source: adopted, directory: temporary, limits: this.settings.layerLimits };
    try {
      const layer = await this.slots.use(() => this.unpack(task, { signal }), signal);
      return { temporary, ...layer, unflushed: true };
    } catch (error) {
      await this.erase(temporary);
      throw error;
    }
  }

  async discard(staged: Pick<StagedLayer, 'temporary'>): Promise<void> {
    await this.erase(staged.temporary);
  }

  /**
   * Makes a staged layer one of the node's, for good.
   * @throws InvalidArgument when it is not the one that `diffId` names; it is discarded then.
   */
  async commit(
    staged: StagedLayer,
    parent: StoredLayer | undefined,
    expected?: string,
  ): Promise<StoredLayer> {
    const { temporary, diffId, size, archiveSize } = staged;
    try {
      if (expected !== undefined) checkDiffId(diffId, expected);
      const layer: StoredLayer = {
        chainId: chainIdOf(parent?.chainId, diffId),
        diffId,
        parentChainId: parent?.chainId ?? null,
        layerId: randomBytes(32).toString('hex'),
        size: BigInt(size),
        archiveSize: BigInt(archiveSize),
      };
      const record = {
        chainId: layer.chainId,
        diffId,
        parentChainId: layer.parentChainId,
        size,
        archiveSize,
      };
      if (staged.unflushed) {
        this.directories.commitUnflushed(temporary, layer.layerId, record, parent?.layerId);
        this.unflushed.add(layer.layerId);
      } else this.directories.commit(temporary, layer.layerId, record, parent?.layerId);
      return await this.index(layer);
    } catch (error) {
      await this.erase(temporary);
      throw error;
    }
  }

  /** Resolves when all layers that were committed before are on disk. */
  async settle(): Promise<void> {
    const written = [...this.unflushed];
    await this.flush.reach();
    for (const layerId of written) {
      this.directories.markFlushed(layerId);
      this.unflushed.delete(layerId);
    }
  }

  /** Removes the layer and those below it as far as nothing refers to them. Returns what went, topmost first. */
  async release(topChainId: string | null): Promise<StoredLayer[]> {
    const released: StoredLayer[] = [];
    for (let chainId = topChainId; chainId !== null;) {
      const row = await this.deleteUnused(chainId);
      if (!row) break;
      released.push(row);
      faultPoint('layer-row-deleted');
      this.directories.remove(row.layerId).done.catch((error: unknown) => {
        this.logger.warn({ err: error, layer: row.layerId }, 'layer not deleted yet; the next start goes on');
      });
      chainId = row.parentChainId;
    }
    if (released.length > 0) await this.forgetAgain(released);
    return released;
  }

  /** Whoever looked for directories without a row at the wrong moment has given one of these a row again. */
  private async forgetAgain(released: StoredLayer[]): Promise<void> {
    const layerId = { in: released.map((layer) => layer.layerId) };
    const none = { none: {} };
    const unused = { images: none, children: none, snapshots: none, steps: none };
    try {
      await this.database.layer.deleteMany({ where: { nodeId: this.nodeId, layerId, ...unused } });
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error;
    }
  }

  private async unpackTemporary(source: LayerSource, observer: UnpackObserver): Promise<StagedLayer> {
    const temporary = this.directories.makeTemporary();
    const limits = this.settings.layerLimits;
    try {
      return { temporary, ...(await this.unpack({ source, directory: temporary, limits }, observer)) };
    } catch (error) {
      await this.erase(temporary);
      throw error;
    }
  }

  private async erase(temporary: string): Promise<void> {
    await this.directories.remove(temporary.slice(this.directories.root.length + 1)).done;
  }

  /** The row, last of all. Where somebody else committed the same layer first, theirs stays. */
  private async index(layer: StoredLayer): Promise<StoredLayer> {
    try {
      const { count } = await this.database.layer.createMany({
        data: [{ nodeId: this.nodeId, ...layer }],
        skipDuplicates: true,
      });
      faultPoint('layer-indexed');
      if (count === 1) return layer;
    } catch (error) {
      await this.directories.remove(layer.layerId).done;
      throw isForeignKeyViolation(error)
        ? notFound(`layer ${layer.parentChainId} was removed meanwhile`)
        : error;
    }
    await this.directories.remove(layer.layerId).done;
    const theirs = await this.find(layer.chainId);
    if (!theirs) throw notFound(`layer ${layer.chainId} was removed meanwhile`);
    return theirs;
  }

  private async deleteUnused(chainId: string): Promise<StoredLayer | undefined> {
    try {
      const [row] = await this.database.$queryRaw<StoredLayer[]>`
        DELETE FROM layers l WHERE l.node_id = ${this.nodeId} AND l.chain_id = ${chainId}
          AND NOT EXISTS (SELECT 1 FROM layers c WHERE c.node_id = l.node_id AND c.parent_chain_id = l.chain_id)
          AND NOT EXISTS (SELECT 1 FROM images i WHERE i.node_id = l.node_id AND i.top_chain_id = l.chain_id)
          AND NOT EXISTS (SELECT 1 FROM snapshots s WHERE s.node_id = l.node_id AND s.top_chain_id = l.chain_id)
          AND NOT EXISTS (SELECT 1 FROM build_steps b WHERE b.node_id = l.node_id AND b.top_chain_id = l.chain_id)
        RETURNING chain_id AS "chainId", diff_id AS "diffId", parent_chain_id AS "parentChainId",
          layer_id AS "layerId", size, archive_size AS "archiveSize"`;
      return row;
    } catch (error) {
      // Somebody began to use it this very moment.
      if (isForeignKeyViolation(error)) return undefined;
      throw error;
    }
  }

  private key(chainId: string) {
    return { nodeId_chainId: { nodeId: this.nodeId, chainId } };
  }
}

/** @throws InvalidArgument where a layer is another one than an image's configuration says */
export function checkDiffId(actual: string, expected: string): void {
  if (actual === expected) return;
  throw invalidArgument(
    `invalid diffID for layer: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`,
  );
}
