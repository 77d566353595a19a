import { registration, runService } from '@gantry/shared/grpc';
import {
  VolumeArchiveServiceService,
  VolumeAttachmentServiceService,
  VolumeServiceService,
  type VolumeArchiveServiceServer,
  type VolumeAttachmentServiceServer,
  type VolumeServiceServer,
} from '@gantry/proto/volume';
import { VolumeArchivesController } from './archives/volume-archives.controller';
import { AttachmentsController } from './attachments/attachments.controller';
import { VolumeServiceModule } from './volume-service.module';
import { VolumesController } from './volumes/volumes.controller';

void runService({
  name: 'volume-service',
  module: VolumeServiceModule,
  address: (config) => config.addresses.volume,
  services: (app) => [
    registration<VolumeServiceServer>(VolumeServiceService, app.get(VolumesController)),
    registration<VolumeArchiveServiceServer>(VolumeArchiveServiceService, app.get(VolumeArchivesController)),
    registration<VolumeAttachmentServiceServer>(
      VolumeAttachmentServiceService,
      app.get(AttachmentsController),
    ),
  ],
});
