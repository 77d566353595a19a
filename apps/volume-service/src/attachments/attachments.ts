import { Inject, Injectable } from '@nestjs/common';
import { notFound } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { LocalDriver } from '../local-driver/local-driver';
import { checkContainerId, type Volume } from '../volumes/volume';
import { VolumeCatalogue, type NewVolume } from '../volumes/volume-catalogue';
import { MountMarks } from './mount-marks';
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

/** The volumes of containers: references while the container exists, mounts while it runs. All of it can be repeated. */
@Injectable()
export class Attachments {
  constructor(
    private readonly volumes: VolumeCatalogue,
    private readonly driver: LocalDriver,
    private readonly marks: MountMarks,
    private readonly population: VolumePopulation,
    private readonly events: EventPublisher,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Puts mounts and marks in order after a crash. Once, after the catalogue is loaded. */
  reconcile(): void {
    for (const name of this.marks.volumes()) {
      const volume = this.volumes.find(name);
      const mounted = volume !== undefined && this.isInPlace(volume);
      for (const containerId of this.marks.of(name)) {
        if (!mounted || !volume.users.has(containerId)) this.marks.clear(name, containerId);
      }
    }
    for (const { record } of this.volumes.all()) {
      if (!this.driver.needsMount(record.options) || this.marks.of(record.name).length > 0) continue;
      const mountpoint = this.volumes.mountpoint(record.name);
      if (!this.driver.isMounted(mountpoint)) continue;
      this.logger.info({ volume: record.name }, 'unmounting a volume that nobody uses');
      this.driver.unmount(mountpoint);
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

  /** All or none. Gives the names. @throws Internal when the kernel does not mount one. */
  async mount(containerId: string): Promise<string[]> {
    const mounted: string[] = [];
    try {
      for (const name of this.volumes.ofContainer(containerId)) {
        await this.volumes.exclusively(name, () => this.mountLocked(this.volumes.get(name), containerId));
        mounted.push(name);
      }
    } catch (error) {
      for (const name of mounted) await this.unmountOne(name, containerId);
      throw error;
    }
    return mounted;
  }

  async unmount(containerId: string): Promise<void> {
    for (const name of this.volumes.ofContainer(containerId)) await this.unmountOne(name, containerId);
  }

  /** Copies what the container's image has at `path` into the volume where that is empty. @throws NotFound */
  async populate(containerId: string, name: string, rootfs: string, path: string): Promise<void> {
    await this.volumes.exclusively(name, async () => {
      const volume = this.volumes.get(name);
      if (!volume.users.has(containerId)) {
        throw notFound(`container ${containerId} has no volume ${name}`);
      }
      const mountpoint = this.volumes.mountpoint(name);
      const isMount = this.driver.needsMount(volume.record.options);
      const mountNow = isMount && !this.driver.isMounted(mountpoint);
      if (mountNow) await this.driver.mount(mountpoint, volume.record.options);
      try {
        const inUse = isMount || this.marks.of(name).length > 0;
        await this.population.populate({ rootfs, path, mountpoint, inUse });
      } finally {
        if (mountNow) this.driver.unmount(mountpoint);
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

  private async mountLocked(volume: Volume, containerId: string): Promise<void> {
    const { name, driver, options } = volume.record;
    if (!this.isInPlace(volume)) await this.driver.mount(this.volumes.mountpoint(name), options);
    if (this.marks.of(name).includes(containerId)) return;
    this.marks.set(name, containerId);
    this.events.publish(engineEvent('volume', 'mount', name, { driver, container: containerId }));
  }

  private unmountOne(name: string, containerId: string): Promise<void> {
    return this.volumes.exclusively(name, () => {
      const volume = this.volumes.find(name);
      if (!volume || !this.marks.of(name).includes(containerId)) return;
      this.marks.clear(name, containerId);
      const { driver, options } = volume.record;
      if (this.driver.needsMount(options) && this.marks.of(name).length === 0) {
        this.driver.unmount(this.volumes.mountpoint(name));
      }
      this.events.publish(engineEvent('volume', 'unmount', name, { driver, container: containerId }));
    });
  }

  private isInPlace({ record }: Volume): boolean {
    return (
      !this.driver.needsMount(record.options) || this.driver.isMounted(this.volumes.mountpoint(record.name))
    );
  }
}
