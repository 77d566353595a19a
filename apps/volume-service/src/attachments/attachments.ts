import { Inject, Injectable } from '@nestjs/common';
import type { PopulateVolumeRequest } from '@gantry/proto/volume';
import { internal, isKind, messageOf, notFound } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { faultPoint } from '@gantry/shared/faults';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { VolumeDriver } from '../drivers/volume-driver';
import { VolumeDrivers } from '../drivers/volume-drivers';
import { LocalDriver } from '../local-driver/local-driver';
import { checkContainerId, type Volume, type VolumeRecord } from '../volumes/volume';
import { VolumeCatalogue, type NewVolume } from '../volumes/volume-catalogue';
import { MountMarks, type MountMark } from './mount-marks';
import { VolumePopulation } from './volume-population';

export interface Acquired {
  volume: Volume;
  created: boolean;
}

export interface Attachment {
  containerId: string;
  volume: string;
  mounted: boolean;
}

/** How a container uses a volume: for the event of it. */
export interface VolumeUse {
  name: string;
  destination: string;
  readOnly: boolean;
  propagation: string;
}

/** The volumes of containers: references while the container exists, mounts while it runs. All of it can be repeated. */
@Injectable()
export class Attachments {
  constructor(
    private readonly volumes: VolumeCatalogue,
    private readonly drivers: VolumeDrivers,
    private readonly local: LocalDriver,
    private readonly marks: MountMarks,
    private readonly population: VolumePopulation,
    private readonly events: EventPublisher,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Puts mounts and marks in order after a crash. Once, after the catalogue is loaded. */
  reconcile(): void {
    for (const name of this.marks.volumes()) {
      const volume = this.volumes.find(name);
      for (const containerId of this.marks.of(name)) this.reconcileMark(name, volume, containerId);
    }
    for (const { record } of this.volumes.all()) {
      if (record.driver !== 'local' || !this.local.isMount(record)) continue;
      if (this.marks.of(record.name).length > 0 || !this.local.isMounted(record.name)) continue;
      this.logger.info({ volume: record.name }, 'unmounting a volume that nobody uses');
      this.local.detach(record);
    }
  }

  /** All or none. @throws what VolumeCatalogue.create throws. */
  async acquire(containerId: string, wanted: NewVolume[]): Promise<Acquired[]> {
    checkContainerId(containerId);
    const acquired: (Acquired & { added: boolean })[] = [];
    try {
      for (const one of wanted) acquired.push(await this.volumes.acquire(one, containerId));
    } catch (error) {
      for (const { volume, created, added } of acquired.reverse()) {
        if (added) await this.volumes.release(volume.record.name, containerId, () => created);
      }
      throw error;
    }
    return acquired;
  }

  /** All or none. Gives where they are, by name. @throws Internal when the kernel or a plugin does not mount one. */
  async mount(containerId: string, uses: VolumeUse[] = []): Promise<Map<string, string>> {
    const mounted = new Map<string, string>();
    for (const name of this.volumes.ofContainer(containerId)) {
      const own = uses.filter((use) => use.name === name);
      try {
        const path = await this.volumes.exclusively(name, () =>
          this.mountLocked(this.volumes.get(name), containerId, own),
        );
        mounted.set(name, path);
      } catch (error) {
        // A plugin that is stuck would hold the answer up once more.
        void this.tryUnmount(name, containerId);
        for (const other of mounted.keys()) await this.tryUnmount(other, containerId);
        throw isKind(error, 'Unavailable') ? internal(messageOf(error), error) : error;
      }
    }
    return mounted;
  }

  /** Whether the volume is a directory of ours and nothing is mounted over it. @throws NotFound */
  isPlain(name: string): boolean {
    const { record } = this.volumes.get(name);
    return record.driver === 'local' && !this.local.isMount(record);
  }

  async unmount(containerId: string): Promise<void> {
    for (const name of this.volumes.ofContainer(containerId)) await this.unmountOne(name, containerId);
  }

  /** Copies what the container's image has at `path` into the volume where that is empty. @throws NotFound */
  async populate({ containerId, name, rootfs, path, subpath }: PopulateVolumeRequest): Promise<void> {
    await this.volumes.exclusively(name, async () => {
      const { record, users } = this.volumes.get(name);
      if (!users.has(containerId)) throw notFound(`container ${containerId} has no volume ${name}`);
      const driver = await this.drivers.get(record.driver);
      const known = this.marks.get(name, containerId)?.path;
      const mountpoint = known || (await driver.mount(record, containerId));
      try {
        const others = this.marks.of(name).some((id) => id !== containerId);
        const inUse = !driver.keepsData || this.local.isMount(record) || others;
        await this.population.populate({ rootfs, path, mountpoint, subpath, inUse });
      } finally {
        if (!known) await driver.unmount(record, containerId, this.marks.of(name).length);
      }
    });
  }

  async release(containerId: string, removeAnonymous: boolean): Promise<void> {
    for (const name of this.volumes.ofContainer(containerId)) {
      await this.unmountOne(name, containerId);
      await this.volumes.release(name, containerId, ({ record }) => removeAnonymous && record.anonymous);
    }
  }

  list(): Attachment[] {
    return this.volumes.all().flatMap(({ record: { name }, users }) => {
      const mounted = new Set(this.marks.of(name));
      return [...users].map((containerId) => ({
        containerId,
        volume: name,
        mounted: mounted.has(containerId),
      }));
    });
  }

  private async mountLocked({ record }: Volume, containerId: string, uses: VolumeUse[]): Promise<string> {
    const { name, driver: driverName } = record;
    const driver = await this.drivers.get(driverName);
    const known = this.marks.get(name, containerId);
    // The kernel says of a local volume whether it is mounted. A plugin is asked once, and before that there is a mark: it
    // has to be told the end of it whatever happens in between.
    if (known?.path && !driver.keepsData) return known.path;
    const path = driver.keepsData
      ? await driver.mount(record, containerId)
      : await this.mountByPlugin(driver, record, containerId);
    faultPoint('volume-mounted');
    if (known) return path;
    this.marks.set(name, containerId, { path, announced: uses.length > 0 });
    faultPoint('volume-marked');
    for (const use of uses) {
      this.events.publish(
        engineEvent('volume', 'mount', name, {
          container: containerId,
          destination: use.destination,
          driver: driverName,
          propagation: use.propagation,
          'read/write': String(!use.readOnly),
        }),
      );
    }
    return path;
  }

  private unmountOne(name: string, containerId: string): Promise<void> {
    return this.volumes.exclusively(name, async () => {
      const volume = this.volumes.find(name);
      const mark = this.marks.get(name, containerId);
      if (!volume || !mark) return;
      const { record } = volume;
      const driver = await this.drivers.get(record.driver);
      if (driver.keepsData) await driver.unmount(record, containerId, this.marks.of(name).length - 1);
      else await this.unmountByPlugin(driver, record, containerId, mark);
      faultPoint('volume-unmounted');
      this.marks.clear(name, containerId);
      if (!mark.announced) return;
      this.events.publish(
        engineEvent('volume', 'unmount', name, { driver: record.driver, container: containerId }),
      );
    });
  }

  private async mountByPlugin(
    driver: VolumeDriver,
    record: VolumeRecord,
    containerId: string,
  ): Promise<string> {
    this.marks.set(record.name, containerId, { path: '', announced: false });
    try {
      return await driver.mount(record, containerId);
    } catch (error) {
      // One that does not answer may have mounted it, or still do so.
      if (!isKind(error, 'Unavailable')) this.marks.clear(record.name, containerId);
      throw error;
    }
  }

  /**
   * Where it is not known whether the plugin has mounted it, or has unmounted it already, because of a crash or no answer, it
   * is no error that it refuses.
   */
  private async unmountByPlugin(
    driver: VolumeDriver,
    record: VolumeRecord,
    containerId: string,
    mark: MountMark,
  ): Promise<void> {
    this.marks.set(record.name, containerId, { ...mark, leaving: true });
    try {
      await driver.unmount(record, containerId, this.marks.of(record.name).length - 1);
    } catch (error) {
      if (isKind(error, 'Unavailable')) throw error;
      if (mark.leaving || !mark.path) return;
      this.marks.set(record.name, containerId, mark);
      throw error;
    }
  }

  private async tryUnmount(name: string, containerId: string): Promise<void> {
    try {
      await this.unmountOne(name, containerId);
    } catch (error) {
      this.logger.warn({ err: error, volume: name, container: containerId }, 'a volume is not unmounted');
    }
  }

  private reconcileMark(name: string, volume: Volume | undefined, containerId: string): void {
    const used = volume?.users.has(containerId) ?? false;
    if (volume && volume.record.driver !== 'local') {
      const mark = this.marks.get(name, containerId);
      if (!used || !mark?.path || mark.leaving) void this.tryUnmount(name, containerId);
      return;
    }
    const { record } = volume ?? {};
    const inPlace = record !== undefined && (!this.local.isMount(record) || this.local.isMounted(name));
    if (!inPlace || !used) this.marks.clear(name, containerId);
  }
}
