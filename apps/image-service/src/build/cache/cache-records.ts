import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { ImageDatabase } from '../../database/image-database';
import { CacheDirectories } from './cache-directories';
import { StepCache } from './step-cache';

/** API: BuildCache. */
export interface BuildCacheDocument {
  ID: string;
  Parents: string[] | null;
  Type: 'regular' | 'exec.cachemount';
  Description: string;
  /** A build that runs has used it. */
  InUse: boolean;
  /** An image has its layer too. */
  Shared: boolean;
  /** Bytes. */
  Size: number;
  CreatedAt: string;
  LastUsedAt: string;
  UsageCount: number;
}

/** A record, and the layer that it keeps alive. */
export interface CacheRecord {
  document: BuildCacheDocument;
  topChainId: string | null;
}

/** All that builds of this node have left for those to come. */
@Injectable()
export class CacheRecords {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(StepCache) private readonly steps: StepCache,
    @Inject(CacheDirectories) private readonly directories: CacheDirectories,
  ) {
    this.nodeId = config.nodeId;
  }

  /** Longest unused first; of what was used together, the later step first. */
  async list(): Promise<CacheRecord[]> {
    const records = [...(await this.stepRecords()), ...(await this.mountRecords())];
    const time = ({ document }: CacheRecord) => Date.parse(document.LastUsedAt);
    return records.sort((a, b) => time(a) - time(b));
  }

  private async stepRecords(): Promise<CacheRecord[]> {
    const rows = await this.database.buildStep.findMany({
      where: { nodeId: this.nodeId },
      omit: { config: true },
      orderBy: [{ lastUsedAt: 'asc' }, { createdAt: 'desc' }],
    });
    if (rows.length === 0) return [];
    const known = new Set(rows.map((row) => row.key));
    const shared = await this.layersOfImages();
    return rows.map((row) => ({
      topChainId: row.topChainId,
      document: {
        ID: row.key,
        Parents: row.parentKey !== null && known.has(row.parentKey) ? [row.parentKey] : null,
        Type: 'regular',
        Description: row.createdBy,
        InUse: this.steps.isInUse(row.key),
        Shared: row.topChainId !== null && shared.has(row.topChainId),
        Size: Number(row.size),
        CreatedAt: row.createdAt.toISOString(),
        LastUsedAt: row.lastUsedAt.toISOString(),
        UsageCount: row.usageCount,
      },
    }));
  }

  private async mountRecords(): Promise<CacheRecord[]> {
    return (await this.directories.list()).map((cache) => ({
      topChainId: null,
      document: {
        ID: cache.name,
        Parents: null,
        Type: 'exec.cachemount',
        Description: `cached mount ${cache.id}`,
        InUse: this.directories.isInUse(cache.name),
        Shared: false,
        Size: cache.size,
        CreatedAt: cache.createdAt.toISOString(),
        LastUsedAt: cache.lastUsedAt.toISOString(),
        UsageCount: cache.usageCount,
      },
    }));
  }

  private async layersOfImages(): Promise<Set<string>> {
    const rows = await this.database.$queryRaw<{ chain_id: string }[]>`
      WITH RECURSIVE used AS (
        SELECT i.top_chain_id AS chain_id FROM images i WHERE i.node_id = ${this.nodeId} AND i.top_chain_id IS NOT NULL
        UNION
        SELECT l.parent_chain_id FROM layers l JOIN used u ON l.chain_id = u.chain_id
        WHERE l.node_id = ${this.nodeId} AND l.parent_chain_id IS NOT NULL
      )
      SELECT chain_id FROM used`;
    return new Set(rows.map((row) => row.chain_id));
  }
}
