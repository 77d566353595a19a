import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { InstanceConfigModule } from '@gantry/shared/config';
import { EventsModule } from '@gantry/shared/events';
import { createLinux, LINUX } from '@gantry/shared/linux';
import { LoggingModule } from '@gantry/shared/logging';
import { AttachmentsController } from './attachments/attachments.controller';
import { Attachments } from './attachments/attachments';
import { MountMarks } from './attachments/mount-marks';
import { VolumePopulation } from './attachments/volume-population';
import { VolumeIndex } from './index/volume-index';
import { LocalDriver } from './local-driver/local-driver';
import { VolumeCatalogue } from './volumes/volume-catalogue';
import { VolumeDisk } from './volumes/volume-disk';
import { VolumeSizes } from './volumes/volume-sizes';
import { VolumesController } from './volumes/volumes.controller';

@Module({
  imports: [InstanceConfigModule, LoggingModule.for('volume-service'), EventsModule],
  providers: [
    { provide: LINUX, useFactory: createLinux },
    VolumeDisk,
    VolumeIndex,
    VolumeCatalogue,
    VolumeSizes,
    VolumesController,
    LocalDriver,
    MountMarks,
    VolumePopulation,
    Attachments,
    AttachmentsController,
  ],
})
export class VolumeServiceModule implements OnModuleInit {
  constructor(
    @Inject(VolumeCatalogue) private readonly volumes: VolumeCatalogue,
    @Inject(Attachments) private readonly attachments: Attachments,
  ) {}

  /** Disk and kernel say what there is; only then is anybody answered. */
  onModuleInit(): void {
    this.volumes.load();
    this.attachments.reconcile();
  }
}
