import {
  NetworkServiceService,
  SandboxServiceService,
  type NetworkServiceServer,
  type SandboxServiceServer,
} from '@gantry/proto/network';
import { registration, runService } from '@gantry/shared/grpc';
import { NetworkServiceModule } from './network-service.module';
import { NetworksController } from './networks/networks.controller';
import { SandboxesController } from './sandboxes/sandboxes.controller';

void runService({
  name: 'network-service',
  module: NetworkServiceModule,
  address: (config) => config.addresses.network,
  services: (app) => [
    registration<NetworkServiceServer>(NetworkServiceService, app.get(NetworksController)),
    registration<SandboxServiceServer>(SandboxServiceService, app.get(SandboxesController)),
  ],
});
