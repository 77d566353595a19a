import { ContainerServiceService, ExecServiceService } from '@gantry/proto/container';
import type { ContainerServiceServer, ExecServiceServer } from '@gantry/proto/container';
import { registration, runService } from '@gantry/shared/grpc';
import { ContainerServiceModule } from './container-service.module';
import { ContainerController } from './container.controller';
import { ExecService } from './exec/exec.service';

void runService({
  name: 'container-service',
  module: ContainerServiceModule,
  address: (config) => config.addresses.container,
  services: (app) => [
    registration<ContainerServiceServer>(ContainerServiceService, app.get(ContainerController)),
    registration<ExecServiceServer>(ExecServiceService, app.get(ExecService)),
  ],
});
