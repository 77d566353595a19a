import { statfsSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { faultPoint } from '@gantry/shared/faults';
import { checkFilterNames, type FilterTerms } from '@gantry/shared/filters';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ImageDatabase } from '../../database/image-database';
import { IMAGE_SETTINGS, type ImageSettings } from '../../image-settings';
import { parseUntil } from '../../images/until-filter';
import { LayerStore } from '../../layers/layer-store';
import { CacheDirectories } from './cache-directories';
import { type BuildCacheDocument, type CacheRecord, CacheRecords } from './cache-records';

/** API: BuildPrune. Bytes; 0: not given. */
export interface CachePruneRequest {
  /** Also what images have too. */
  all: boolean;
  reservedSpace: number;
  maxUsedSpace: number;
  minFreeSpace: number;
  filters: FilterTerms;
}

export interface CachePruneReport {
  CachesDeleted: string[];
  SpaceReclaimed: number;
}

/** `docker system prune` gives its labels to every kind of thing; the cache has none. */
const LABELS = ['label', 'label!'];
const FILTERS = [
  ...['until', 'unused-for', 'id', 'parent', 'type', 'description', 'inuse', 'shared', 'private'],
  ...LABELS,
];
const HOUR_MS = 3_600_000;

/** Makes the cache of builds smaller: when somebody asks, and by itself where it is larger or older than it may be. */
@Injectable()
export class PruneBuildCache {
  private readonly nodeId: string;
  private readonly dataRoot: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(IMAGE_SETTINGS) private readonly settings: Pick<ImageSettings, 'buildCache'>,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(CacheRecords) private readonly records: CacheRecords,
    @Inject(CacheDirectories) private readonly directories: CacheDirectories,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(EventPublisher) private readonly events: EventPublisher,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.nodeId = config.nodeId;
    this.dataRoot = config.dataRoot;
  }

  /** What is in use stays. @throws InvalidArgument for a filter that there is not */
  async prune(request: CachePruneRequest): Promise<CachePruneReport> {
    checkFilterNames(request.filters, FILTERS);
    const records = await this.records.list();
    const matches = matcherOf(request.filters);
    const candidates = records.filter(
      ({ document }) => !document.InUse && (request.all || !document.Shared) && matches(document),
    );
    const target = targetOf(request, usedBy(records), () => this.freeSpace());
    const report = await this.remove(oldestBeyond(candidates, usedBy(records), target));
    this.events.publish(engineEvent('builder', 'prune', '', { reclaimed: String(report.SpaceReclaimed) }));
    return report;
  }

  /** Holds the cache to its limits. Failures are logged: the next time goes on. */
  async limit(): Promise<void> {
    try {
      await this.directories.sweep();
      const { maxBytes, maxHours } = this.settings.buildCache;
      const oldest = Date.now() - maxHours * HOUR_MS;
      const records = (await this.records.list()).filter(({ document }) => !document.InUse);
      const old = records.filter(({ document }) => Date.parse(document.LastUsedAt) < oldest);
      const young = records.filter((record) => !old.includes(record));
      const tooMuch = oldestBeyond(
        young.filter(({ document }) => !document.Shared),
        usedBy(young),
        maxBytes,
      );
      const { CachesDeleted } = await this.remove([...old, ...tooMuch]);
      if (CachesDeleted.length > 0) {
        this.logger.info({ records: CachesDeleted.length }, 'build cache held to its limits');
      }
    } catch (error) {
      this.logger.warn({ err: error }, 'build cache not held to its limits');
    }
  }

  /** Rows first: then nothing but images holds the layers. */
  private async remove(records: CacheRecord[]): Promise<CachePruneReport> {
    const report: CachePruneReport = { CachesDeleted: [], SpaceReclaimed: 0 };
    const steps = records.filter(({ document }) => document.Type === 'regular');
    const keys = steps.map(({ document }) => document.ID);
    if (keys.length > 0) {
      await this.database.buildStep.deleteMany({ where: { nodeId: this.nodeId, key: { in: keys } } });
      faultPoint('build-cache-rows-deleted');
    }
    for (const chainId of new Set(steps.map(({ topChainId }) => topChainId))) {
      for (const layer of await this.layers.release(chainId)) report.SpaceReclaimed += Number(layer.size);
    }
    for (const { document } of records) {
      report.CachesDeleted.push(document.ID);
      if (document.Type !== 'exec.cachemount') continue;
      await this.directories.remove(document.ID);
      report.SpaceReclaimed += document.Size;
    }
    return report;
  }

  private freeSpace(): number {
    const { bavail, bsize } = statfsSync(this.dataRoot);
    return bavail * bsize;
  }
}

/** Bytes that would be had back. */
const usedBy = (records: CacheRecord[]): number =>
  records.reduce((sum, { document }) => sum + (document.Shared ? 0 : document.Size), 0);

/** How many bytes may stay (BuildKit's meaning of the three sizes). */
function targetOf(request: CachePruneRequest, used: number, freeSpace: () => number): number {
  const { reservedSpace, maxUsedSpace, minFreeSpace } = request;
  if (maxUsedSpace === 0 && minFreeSpace === 0) return reservedSpace;
  let target = maxUsedSpace === 0 ? used : maxUsedSpace;
  if (minFreeSpace > 0) target = Math.min(target, used - (minFreeSpace - freeSpace()));
  return Math.max(target, reservedSpace);
}

/** The longest unused, until no more than `target` bytes are left; all of them where nothing may stay. */
function oldestBeyond(candidates: CacheRecord[], used: number, target: number): CacheRecord[] {
  if (target <= 0) return candidates;
  const chosen: CacheRecord[] = [];
  let left = used;
  for (const record of candidates) {
    if (left <= target) break;
    chosen.push(record);
    left -= record.document.Shared ? 0 : record.document.Size;
  }
  return chosen;
}

function matcherOf(filters: FilterTerms): (document: BuildCacheDocument) => boolean {
  const values = (name: string) => filters.get(name) ?? [];
  const any = (name: string, matches: (value: string) => boolean) =>
    values(name).length === 0 || values(name).some(matches);
  const limits = [...values('until'), ...values('unused-for')].map((value) => parseUntil(value));
  return (document) =>
    limits.every((limit) => Date.parse(document.LastUsedAt) < limit) &&
    any('id', (id) => document.ID.startsWith(id)) &&
    any('parent', (id) => (document.Parents ?? []).some((parent) => parent.startsWith(id))) &&
    any('type', (type) => document.Type === type) &&
    any('description', (text) => document.Description.includes(text)) &&
    !filters.has('label') &&
    (!filters.has('inuse') || document.InUse) &&
    (!filters.has('shared') || document.Shared) &&
    (!filters.has('private') || !document.Shared);
}
