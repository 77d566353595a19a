import { Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { INSTANCE_CONFIG, InstanceConfigModule, type InstanceConfig } from '@gantry/shared/config';
import { EventsModule } from '@gantry/shared/events';
import { PeersModule } from '@gantry/shared/grpc';
import { createLinux, LINUX } from '@gantry/shared/linux';
import { LOGGER, LoggingModule, type Logger } from '@gantry/shared/logging';
import { ARCHIVE_PROVIDERS } from './archive/archive.providers';
import { ATTACH_PROVIDERS } from './attach/attach.providers';
import { ContainerController } from './container.controller';
import { ContainerCreator } from './create/container-creator';
import { EXEC_PROVIDERS } from './exec/exec.providers';
import { HEALTH_PROVIDERS } from './health/health.providers';
import { HostFactsProvider } from './host-facts';
import { ContainerCleaner } from './lifecycle/container-cleaner';
import { ContainerCommitter } from './lifecycle/container-committer';
import { ContainerEvents } from './lifecycle/container-events';
import { ContainerExits } from './lifecycle/container-exits';
import { ContainerFiles } from './lifecycle/container-files';
import { ContainerLifecycleEvents } from './lifecycle/container-lifecycle-events';
import { ContainerLocks } from './lifecycle/container-locks';
import { ContainerPauser } from './lifecycle/container-pauser';
import { ContainerRemover } from './lifecycle/container-remover';
import { ContainerStarter } from './lifecycle/container-starter';
import { ContainerStopper } from './lifecycle/container-stopper';
import { ContainerUpdater } from './lifecycle/container-updater';
import { ContainerWaiters } from './lifecycle/container-waiters';
import { Reconciler } from './lifecycle/reconciler';
import { ContainerListing } from './listing/container-listing';
import { ContainerPrune } from './listing/container-prune';
import { NodeInfo } from './listing/node-info';
import { LOGS_PROVIDERS } from './logs/logs.providers';
import { ContainerNetworks } from './networks/container-networks';
import { ContainerDatabase } from './records/container-database';
import { ContainerIndex } from './records/container-index';
import { ContainerStore } from './records/container-store';
import { RecordFiles } from './records/record-files';
import { Conmon } from './runtime/conmon';
import { ExitWatch } from './runtime/exit-watch';
import { MonitorPaths } from './runtime/monitor-paths';
import { OciRuntime } from './runtime/oci-runtime';
import { Runtimes } from './runtime/runtimes';
import { ServicePeers } from './service-peers';
import { SeccompProfiles } from './spec/seccomp-profile';
import { SpecBuilder } from './spec/spec-builder';
import { STATS_PROVIDERS } from './stats/stats.providers';

const RECORDS = [
  RecordFiles,
  {
    provide: ContainerStore,
    inject: [RecordFiles],
    useFactory: (files: RecordFiles) => new ContainerStore(files),
  },
  {
    provide: ContainerIndex,
    inject: [INSTANCE_CONFIG, ContainerStore, LOGGER],
    useFactory: (config: InstanceConfig, store: ContainerStore, logger: Logger) =>
      new ContainerIndex(new ContainerDatabase(config), store, config.nodeId, logger),
  },
];

const RUNTIME = [MonitorPaths, Runtimes, Conmon, OciRuntime, ExitWatch, HostFactsProvider];
const SPEC = [SeccompProfiles, SpecBuilder];
const LIFECYCLE = [
  ContainerLifecycleEvents,
  ContainerEvents,
  ContainerLocks,
  ContainerWaiters,
  ContainerFiles,
  ContainerNetworks,
  ContainerCreator,
  ContainerCleaner,
  ContainerRemover,
  ContainerStarter,
  ContainerExits,
  ContainerStopper,
  ContainerPauser,
  ContainerUpdater,
  ContainerCommitter,
  Reconciler,
];
const LISTING = [ContainerListing, ContainerPrune, NodeInfo];

@Module({
  imports: [InstanceConfigModule, LoggingModule.for('container-service'), EventsModule, PeersModule],
  providers: [
    { provide: LINUX, useFactory: createLinux },
    ServicePeers,
    ...RECORDS,
    ...RUNTIME,
    ...SPEC,
    ...LIFECYCLE,
    ...LISTING,
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
