import { Injectable } from '@nestjs/common';
import { EngineError, internal, isKind, messageOf, notFound } from '@gantry/shared/errors';
import type { FileStamp } from '@gantry/shared/validity';
import { VolumeDrivers } from '../drivers/volume-drivers';
import { LocalDriver } from '../local-driver/local-driver';
import { toApi, type ApiVolume, type Volume, type VolumeDetails, type VolumeRecord } from './volume';
import { newRecord, VolumeCatalogue } from './volume-catalogue';
import { VolumeDisk } from './volume-disk';

export interface ListedVolume extends Volume {
  details: VolumeDetails;
}

/** The volumes as users see them: with what their drivers say, and with those that only a plugin knows of. */
@Injectable()
export class VolumeListing {
  constructor(
    private readonly volumes: VolumeCatalogue,
    private readonly drivers: VolumeDrivers,
    private readonly local: LocalDriver,
    private readonly disk: VolumeDisk,
  ) {}

  /** Plugins that do not answer soon are passed over, with a warning. */
  async all(): Promise<{ volumes: ListedVolume[]; warnings: string[] }> {
    const plugins = await this.drivers.pluginVolumes();
    const said = new Map(plugins.volumes.map((each) => [each.volume.Name, each]));
    const own = this.volumes.all().map((volume) => ({ ...volume, details: this.detailsOf(volume, said) }));
    const others = plugins.volumes
      .filter(({ volume }) => !this.volumes.find(volume.Name))
      .map(({ driver, volume }) => ({
        record: newRecord(volume.Name, driver),
        users: new Set<string>(),
        details: { mountpoint: volume.Mountpoint ?? '', createdAt: volume.CreatedAt, status: volume.Status },
      }));
    return { volumes: [...own, ...others], warnings: plugins.warnings };
  }

  /** @throws NotFound; Internal where its plugin does not answer. */
  async inspect(name: string): Promise<ApiVolume> {
    const known = this.volumes.find(name)?.record;
    const driver = known ? await this.driver(name, known.driver) : await this.drivers.whoHas(name);
    if (!driver) throw notFound(`get ${name}: no such volume`);
    const record = known ?? newRecord(name, driver);
    try {
      return toApi(record, await driver.describe(record));
    } catch (error) {
      if (error instanceof EngineError && !isKind(error, 'Unavailable')) throw error;
      throw internal(`get ${name}: ${messageOf(error)}`, error);
    }
  }

  /** Of a volume that has just been made: that its plugin does not answer now changes nothing. */
  async describe(record: VolumeRecord): Promise<ApiVolume> {
    const details = this.drivers.get(record.driver).then((driver) => driver.describe(record));
    return toApi(record, await details.catch(() => ({ mountpoint: '' })));
  }

  /** A volume of the local driver is all in its record, which is written once. */
  validityOf({ name, driver }: VolumeRecord): FileStamp | undefined {
    return driver === 'local' ? this.disk.stampOf(name) : undefined;
  }

  private async driver(name: string, driver: string) {
    try {
      return await this.drivers.get(driver);
    } catch (error) {
      throw internal(`get ${name}: ${messageOf(error)}`, error);
    }
  }

  private detailsOf(
    { record }: Volume,
    said: Map<string, { driver: { name: string }; volume: { Mountpoint?: string; Status?: object } }>,
  ): VolumeDetails {
    if (record.driver === 'local') return { mountpoint: this.local.mountpoint(record.name) };
    const found = said.get(record.name);
    if (found?.driver.name !== record.driver) return { mountpoint: '' };
    return { mountpoint: found.volume.Mountpoint ?? '', status: found.volume.Status };
  }
}
