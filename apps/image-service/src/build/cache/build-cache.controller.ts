import { Inject, Injectable } from '@nestjs/common';
import type { BuildCacheServiceServer } from '@gantry/proto/image';
import { filterTerms } from '@gantry/shared/filters';
import { type Implementation, toJson } from '@gantry/shared/grpc';
import { CacheRecords } from './cache-records';
import { PruneBuildCache } from './prune-build-cache';

type Service = Implementation<BuildCacheServiceServer>;

/** gRPC BuildCacheService. */
@Injectable()
export class BuildCacheController implements Service {
  constructor(
    @Inject(CacheRecords) private readonly records: CacheRecords,
    @Inject(PruneBuildCache) private readonly pruning: PruneBuildCache,
  ) {}

  list: Service['list'] = async () => toJson((await this.records.list()).map(({ document }) => document));

  prune: Service['prune'] = async ({ filters, ...request }) =>
    toJson(await this.pruning.prune({ ...request, filters: filterTerms(filters) }));
}
