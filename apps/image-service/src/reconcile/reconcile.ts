import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { PruneBuildCache } from '../build/cache/prune-build-cache';
import { RunNetworks } from '../build/run/run-network';
import { NodeCheck } from '../check/node-check';
import { ImageRecords } from '../records/image-records';

const HOUR_MS = 3_600_000;

/**
 * Puts disk and index right, at the start and every hour: what is on disk without a row gets its row back, a row without what
 * it stands for goes, and what nobody owns is removed. Every image-service of the node does so.
 */
@Injectable()
export class Reconcile implements OnApplicationBootstrap, OnApplicationShutdown {
  private timer?: NodeJS.Timeout;
  private running?: Promise<void>;

  constructor(
    @Inject(NodeCheck) private readonly check: NodeCheck,
    @Inject(ImageRecords) private readonly records: ImageRecords,
    @Inject(RunNetworks) private readonly networks: RunNetworks,
    @Inject(PruneBuildCache) private readonly cache: PruneBuildCache,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Behind the start: what is being put right does not keep anybody waiting. */
  onApplicationBootstrap(): void {
    void this.run();
    this.timer = setInterval(() => void this.run(), HOUR_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** One at a time. Failures are logged; the next one goes on. */
  run(): Promise<void> {
    this.running ??= this.check
      .sweep()
      .then(() => Promise.all([this.records.saved(), this.networks.sweep(), this.cache.limit()]))
      .then(() => {})
      .catch((error: unknown) => this.logger.error({ err: error }, 'reconciling failed'))
      .finally(() => (this.running = undefined));
    return this.running;
  }
}
