import { Module } from '@nestjs/common';
import { INSTANCE_CONFIG, InstanceConfigModule, type InstanceConfig } from '@gantry/shared/config';
import { PeersModule } from '@gantry/shared/grpc';
import { LoggingModule } from '@gantry/shared/logging';
import { BuildController } from './build/build.controller';
import { BuildCacheController } from './build/build-cache.controller';
import { BuildKitController } from './buildkit/buildkit.controller';
import { BuildKitServer } from './buildkit/buildkit-server';
import { BuildSessions } from './buildkit/build-sessions';
import { SessionPlaces } from './buildkit/session-places';
import { ClientBuilds } from './buildkit/client-builds';
import { BuildKitRequests } from './build/buildkit-requests';
import { ClientFiles } from './buildkit/client-files';
import { SessionRelay } from './buildkit/session-relay';
import { CheckController } from './check/check.controller';
import { GATEWAY_CONFIG, loadGatewayConfig } from './config';
import { ArchiveController } from './containers/archive.controller';
import { ContainerStreamsController } from './containers/container-streams.controller';
import { CheckpointsController } from './containers/checkpoints.controller';
import { ContainersController } from './containers/containers.controller';
import { EventListeners } from './events/event-listeners';
import { EventsController } from './events/events.controller';
import { ExecController } from './exec/exec.controller';
import { ImageData } from './images/image-data';
import { ImageJobQueue } from './images/image-jobs';
import { ImagePushController } from './images/image-push.controller';
import { ImageTransfersController } from './images/image-transfers.controller';
import { ImagesController } from './images/images.controller';
import { OperationsController } from './metrics/operations.controller';
import { RequestDurations } from './metrics/request-durations';
import { NetworksController } from './networks/networks.controller';
import { ServiceClients } from './peers/service-clients';
import { PluginsController } from './plugins/plugins.controller';
import { RegistryController } from './registry/registry.controller';
import { SwarmController } from './routing/swarm.controller';
import { SystemController } from './system/system.controller';
import { KeptVolumes } from './volumes/kept-volumes';
import { VolumeArchivesController } from './volumes/volume-archives.controller';
import { VolumesController } from './volumes/volumes.controller';

@Module({
  imports: [InstanceConfigModule, LoggingModule.for('api-gateway'), PeersModule],
  // Routes are tried in this order.
  controllers: [
    SystemController,
    ContainersController,
    CheckpointsController,
    ContainerStreamsController,
    ArchiveController,
    ExecController,
    BuildCacheController,
    BuildController,
    BuildKitController,
    PluginsController,
    ImageTransfersController,
    ImagePushController,
    RegistryController,
    ImagesController,
    VolumesController,
    VolumeArchivesController,
    NetworksController,
    EventsController,
    OperationsController,
    CheckController,
    SwarmController,
  ],
  providers: [
    ServiceClients,
    ImageData,
    ImageJobQueue,
    BuildSessions,
    SessionPlaces,
    ClientBuilds,
    BuildKitServer,
    SessionRelay,
    ClientFiles,
    BuildKitRequests,
    RequestDurations,
    KeptVolumes,
    EventListeners,
    {
      provide: GATEWAY_CONFIG,
      inject: [INSTANCE_CONFIG],
      useFactory: (instance: InstanceConfig) => loadGatewayConfig(instance),
    },
  ],
})
export class ApiGatewayModule {}
