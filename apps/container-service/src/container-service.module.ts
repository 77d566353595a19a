import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { INSTANCE_CONFIG, InstanceConfigModule, type InstanceConfig } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import { EventsModule } from '@gantry/shared/events';
import { PeersModule } from '@gantry/shared/grpc';
import { createLinux, LINUX } from '@gantry/shared/linux';
import { LOGGER, LoggingModule, type Logger } from '@gantry/shared/logging';
import { ARCHIVE_PROVIDERS } from './archive/archive.providers';
import { ATTACH_PROVIDERS } from './attach/attach.providers';
import { ContainerController } from './container.controller';
import { EXEC_PROVIDERS } from './exec/exec.providers';
import { HEALTH_PROVIDERS } from './health/health.providers';
import { HostFactsProvider } from './host-facts';
import { ContainerExits } from './lifecycle/container-exits';
import { Reconciler } from './lifecycle/reconciler';
import { LOGS_PROVIDERS } from './logs/logs.providers';
import { ContainerDatabase } from './records/container-database';
import { ContainerIndex } from './records/container-index';
import { ContainerStore } from './records/container-store';
import { RecordFiles } from './records/record-files';
import { Runtimes } from './runtime/runtimes';
import { RUNTIME_PROVIDERS } from './runtime/runtime.providers';
import { SPEC_PROVIDERS } from './spec/spec.providers';
import { CDI_PROVIDERS } from './cdi/cdi.providers';
import { CREATE_PROVIDERS } from './create/create.providers';
import { NETWORKS_PROVIDERS } from './networks/networks.providers';
import { LIFECYCLE_PROVIDERS } from './lifecycle/lifecycle.providers';
import { LISTING_PROVIDERS } from './listing/listing.providers';
import { ServicePeers } from './service-peers';
import { STATS_PROVIDERS } from './stats/stats.providers';

const RECORDS = [
  LateSync,
  RecordFiles,
  {
    provide: ContainerStore,
    inject: [RecordFiles, LOGGER],
    useFactory: (files: RecordFiles, logger: Logger) =>
      new ContainerStore(files, ({ id }, error) =>
        logger.error({ err: error, container: id }, 'the disk does not take the record; tried until it does'),
      ),
  },
  {
    provide: ContainerIndex,
    inject: [INSTANCE_CONFIG, ContainerStore, LOGGER],
    useFactory: (config: InstanceConfig, store: ContainerStore, logger: Logger) =>
      new ContainerIndex(new ContainerDatabase(config), store, config.nodeId, logger),
  },
];

@Module({
  imports: [InstanceConfigModule, LoggingModule.for('container-service'), EventsModule, PeersModule],
  providers: [
    { provide: LINUX, useFactory: createLinux },
    ServicePeers,
    ...RECORDS,
    HostFactsProvider,
    ...RUNTIME_PROVIDERS,
    ...SPEC_PROVIDERS,
    ...NETWORKS_PROVIDERS,
    ...CDI_PROVIDERS,
    ...CREATE_PROVIDERS,
    ...LIFECYCLE_PROVIDERS,
    ...LISTING_PROVIDERS,
    ...ATTACH_PROVIDERS,
    ...LOGS_PROVIDERS,
    ...EXEC_PROVIDERS,
    ...HEALTH_PROVIDERS,
    ...ARCHIVE_PROVIDERS,
    ...STATS_PROVIDERS,
    ContainerController,
  ],
  exports: [ContainerController],
})
export class ContainerServiceModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly runtimes: Runtimes,
    private readonly reconciler: Reconciler,
    private readonly exits: ContainerExits,
    private readonly index: ContainerIndex,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** After every provider has its listeners in place (Nest initialises the module's own class last). */
  async onModuleInit(): Promise<void> {
    await this.runtimes.probe();
    await this.reconciler.run();
    this.index.start();
    this.logger.debug('containers taken up');
  }

  async onApplicationShutdown(): Promise<void> {
    this.reconciler.stop();
    this.exits.close();
    await this.index.stop();
  }
}
