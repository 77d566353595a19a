import {
  BuildCacheServiceService,
  ImageServiceService,
  RegistryServiceService,
  SnapshotServiceService,
} from '@gantry/proto/image';
import { registration, runService } from '@gantry/shared/grpc';
import { BuildCacheController } from './build/cache/build-cache.controller';
import { ImagesController } from './images/images.controller';
import { ImageServiceModule } from './image-service.module';
import { RegistriesController } from './distribution/registries.controller';
import { SnapshotsController } from './snapshots/snapshots.controller';

void runService({
  name: 'image-service',
  module: ImageServiceModule,
  address: (config) => config.addresses.image,
  services: (app) => [
    registration(ImageServiceService, app.get(ImagesController)),
    registration(BuildCacheServiceService, app.get(BuildCacheController)),
    registration(RegistryServiceService, app.get(RegistriesController)),
    registration(SnapshotServiceService, app.get(SnapshotsController)),
  ],
});
