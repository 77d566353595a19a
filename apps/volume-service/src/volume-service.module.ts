import { Inject, Module, type OnModuleInit } from '@nestjs/common';
import { InstanceConfigModule } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import { EventsModule } from '@gantry/shared/events';
import { createLinux, LINUX } from '@gantry/shared/linux';
import { LoggingModule } from '@gantry/shared/logging';
import { VolumeArchives } from './archives/volume-archives';
import { VolumeArchivesController } from './archives/volume-archives.controller';
import { AttachmentsController } from './attachments/attachments.controller';
import { Attachments } from './attachments/attachments';
import { MountMarks } from './attachments/mount-marks';
import { VolumePopulation } from './attachments/volume-population';
import { VolumeIndex } from './index/volume-index';
import { PLUGIN_SETTINGS, pluginSettings } from './config';
import { VolumeDrivers } from './drivers/volume-drivers';
import { LocalDriver } from './local-driver/local-driver';
import { VolumeMounter } from './local-driver/volume-mounter';
import { PluginDiscovery } from './plugins/plugin-discovery';
import { PluginDrivers } from './plugins/plugin-drivers';
import { VolumeSnapshots } from './snapshots/volume-snapshots';
import { VolumeCatalogue } from './volumes/volume-catalogue';
import { VolumeDisk } from './volumes/volume-disk';
import { VolumeListing } from './volumes/volume-listing';
import { VolumeRecovery } from './volumes/volume-recovery';
import { VolumeSizes } from './volumes/volume-sizes';
import { VolumesController } from './volumes/volumes.controller';

@Module({
  imports: [InstanceConfigModule, LoggingModule.for('volume-service'), EventsModule],
  providers: [
    { provide: LINUX, useFactory: createLinux },
    { provide: PLUGIN_SETTINGS, useFactory: () => pluginSettings() },
    LateSync,
    VolumeDisk,
    VolumeIndex,
    VolumeCatalogue,
    VolumeListing,
    VolumeRecovery,
    VolumeSizes,
    VolumesController,
    LocalDriver,
    VolumeMounter,
    PluginDiscovery,
    PluginDrivers,
    VolumeDrivers,
    MountMarks,
    VolumePopulation,
    VolumeSnapshots,
    VolumeArchives,
    VolumeArchivesController,
    Attachments,
    AttachmentsController,
  ],
})
export class VolumeServiceModule implements OnModuleInit {
  constructor(
    @Inject(VolumeCatalogue) private readonly volumes: VolumeCatalogue,
    @Inject(Attachments) private readonly attachments: Attachments,
    @Inject(VolumeRecovery) private readonly recovery: VolumeRecovery,
  ) {}

  /** Disk and kernel say what there is; only then is anybody answered. */
  onModuleInit(): void {
    const unsettled = this.volumes.load();
    this.attachments.reconcile();
    this.recovery.begin(unsettled);
  }
}
