import { Controller, HttpCode, Inject, Post } from '@nestjs/common';
import { ServiceClients } from '../peers/service-clients';
import { ApiQuery } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { pruneReport } from '../streaming/prune-answer';

/** API: BuildPrune, which `docker builder prune` and `docker system prune` call. */
@Controller('build')
export class BuildCacheController {
  constructor(@Inject(ServiceClients) private readonly services: ServiceClients) {}

  @Post('prune')
  @HttpCode(200)
  async prune(@ApiQuery() query: QueryParameters): Promise<object> {
    // Up to API 1.47 the reserved space has another name.
    const reserved = query.bytes('reserved-space') || query.bytes('keep-storage');
    return pruneReport(
      this.services.buildCache.prune({
        all: query.flag('all'),
        reservedSpace: reserved,
        maxUsedSpace: query.bytes('max-used-space'),
        minFreeSpace: query.bytes('min-free-space'),
        filters: query.filters(),
      }),
    );
  }
}
