import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { faultPoint } from '@gantry/shared/faults';
import { ImageDatabase, isForeignKeyViolation, Prisma } from '../../database/image-database';
import type { StoredLayer } from '../../layers/layer-store';

/** A step that has been done before. */
export interface CachedStep {
  /** The image document, byte for byte. */
  config: Buffer;
  top: StoredLayer | undefined;
  /** Whether the image that it makes is one of the node's now. */
  hasImage: boolean;
}

export interface NewStep extends Omit<CachedStep, 'hasImage'> {
  key: string;
  parentKey: string;
  createdBy: string;
  /** Bytes of the layer that the step adds. */
  size: bigint;
  jobId: string;
}

interface Row extends Omit<StoredLayer, 'chainId'> {
  key: string;
  config: Uint8Array;
  chainId: string | null;
  hasImage: boolean;
}

/** The steps of all builds of this node. Each holds its layers, so that they outlive the images. */
@Injectable()
export class StepCache {
  private readonly nodeId: string;
  /** Keys of steps that builds of this process have used, and how many builds. */
  private readonly held = new Map<string, number>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
  ) {
    this.nodeId = config.nodeId;
  }

  /** What is known of these steps, by key. `ofJob`: only what this job has done itself. */
  async find(keys: string[], ofJob?: string): Promise<Map<string, CachedStep>> {
    const rows = await this.database.fast<Row>(Prisma.sql`
      SELECT b.key, b.config, l.chain_id AS "chainId", l.diff_id AS "diffId",
        l.parent_chain_id AS "parentChainId", l.layer_id AS "layerId", l.size, l.archive_size AS "archiveSize",
        EXISTS (
          SELECT 1 FROM images i
          WHERE i.node_id = b.node_id AND i.id = 'sha256:' || encode(sha256(b.config), 'hex')
        ) AS "hasImage"
      FROM build_steps b LEFT JOIN layers l ON l.node_id = b.node_id AND l.chain_id = b.top_chain_id
      WHERE b.node_id = ${this.nodeId} AND b.key = ANY(${keys})
        AND (${ofJob ?? ''} = '' OR b.job_id = ${ofJob ?? ''})`);
    return new Map(rows.map((row) => [row.key, stepOf(row)]));
  }

  /** A step that is known already is the newer one from here on: this job has found the other wanting. */
  async keep({ key, parentKey, config, top, createdBy, size, jobId }: NewStep): Promise<void> {
    const row = {
      parentKey,
      config: Uint8Array.from(config),
      topChainId: top?.chainId ?? null,
      createdBy,
      size,
      jobId,
    };
    try {
      await this.database.buildStep.upsert({
        where: { nodeId_key: { nodeId: this.nodeId, key } },
        create: { nodeId: this.nodeId, key, ...row },
        update: { ...row, createdAt: new Date(), lastUsedAt: new Date() },
      });
      faultPoint('build-step-kept');
    } catch (error) {
      // The layer went in this very moment: the build will say so, the cache need not.
      if (!isForeignKeyViolation(error)) throw error;
    }
  }

  isInUse(key: string): boolean {
    return this.held.has(key);
  }

  /** A build goes on from this step. */
  hold(key: string): void {
    this.held.set(key, (this.held.get(key) ?? 0) + 1);
  }

  /** A build that held them has ended. */
  async release(keys: string[]): Promise<void> {
    for (const key of keys) {
      const count = (this.held.get(key) ?? 1) - 1;
      if (count > 0) this.held.set(key, count);
      else this.held.delete(key);
    }
    await this.database.buildStep.updateMany({
      where: { nodeId: this.nodeId, key: { in: keys } },
      data: { lastUsedAt: new Date(), usageCount: { increment: 1 } },
    });
  }
}

function stepOf(row: Row): CachedStep {
  const { config, chainId, hasImage, diffId, parentChainId, layerId } = row;
  // BIGINT comes as text.
  const sizes = { size: BigInt(row.size ?? 0), archiveSize: BigInt(row.archiveSize ?? 0) };
  return {
    config: Buffer.from(config),
    top: chainId === null ? undefined : { chainId, diffId, parentChainId, layerId, ...sizes },
    hasImage,
  };
}
