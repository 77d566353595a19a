import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { conflict, notFound } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { VolumeIndex } from '../index/volume-index';
import { checkOptions } from '../local-driver/local-options';
import { KeyedLock } from './keyed-lock';
import { ANONYMOUS_LABEL, checkVolumeName, newAnonymousName, type Volume } from './volume';
import { secondsOnly, VolumeDisk } from './volume-disk';

export interface NewVolume {
  /** Empty: a name is made up. */
  name: string;
  /** Empty: any, which means `local`. */
  driver: string;
  options: Record<string, string>;
  labels: Record<string, string>;
}

/**
 * The volumes of this node, read from memory. A change goes to the disk first, then here, then (behind the caller's back)
 * to Postgres. Changes to one volume come one after the other.
 */
@Injectable()
export class VolumeCatalogue {
  private readonly volumes = new Map<string, Volume>();
  private readonly byContainer = new Map<string, Set<string>>();
  private readonly locks = new KeyedLock();

  constructor(
    private readonly disk: VolumeDisk,
    private readonly index: VolumeIndex,
    private readonly events: EventPublisher,
  ) {}

  /** Reads the disk. Once, before anything else. */
  load(): void {
    for (const volume of this.disk.load()) {
      this.volumes.set(volume.record.name, volume);
      for (const containerId of volume.users) this.remember(containerId, volume.record.name);
    }
    this.index.reconcile([...this.volumes.values()]);
  }

  all(): Volume[] {
    return [...this.volumes.values()];
  }

  find(name: string): Volume | undefined {
    return this.volumes.get(name);
  }

  /** @throws NotFound */
  get(name: string): Volume {
    const volume = this.volumes.get(name);
    if (!volume) throw notFound(`get ${name}: no such volume`);
    return volume;
  }

  mountpoint(name: string): string {
    return this.disk.mountpoint(name);
  }

  /** The names of the volumes that the container has. */
  ofContainer(containerId: string): string[] {
    return [...(this.byContainer.get(containerId) ?? [])];
  }

  /** Keeps changes to this volume waiting while `action` runs; must not be nested. */
  exclusively<T>(name: string, action: () => T | Promise<T>): Promise<T> {
    return this.locks.run(name, action);
  }

  /** The volume of that name, made if there is none. @throws Conflict, InvalidArgument, NotFound (the driver). */
  async create(wanted: NewVolume): Promise<{ volume: Volume; created: boolean }> {
    const name = wanted.name || newAnonymousName();
    checkVolumeName(name);
    return this.exclusively(name, () => this.createLocked(name, wanted, false));
  }

  /** The same, and the container is a user of it when this returns. */
  async acquire(
    wanted: NewVolume,
    containerId: string,
  ): Promise<{ volume: Volume; created: boolean; added: boolean }> {
    const name = wanted.name || newAnonymousName();
    checkVolumeName(name);
    return this.exclusively(name, () => {
      const { volume, created } = this.createLocked(name, wanted, wanted.name === '');
      const added = !volume.users.has(containerId);
      if (added) {
        this.disk.addUser(name, containerId);
        volume.users.add(containerId);
        this.remember(containerId, name);
        this.index.put(volume);
      }
      return { volume, created, added };
    });
  }

  /** The container no longer uses it; with `andRemove` the volume goes too when nobody else does. */
  async release(name: string, containerId: string, andRemove: (volume: Volume) => boolean): Promise<void> {
    await this.exclusively(name, () => {
      const volume = this.volumes.get(name);
      this.forget(containerId, name);
      if (!volume?.users.has(containerId)) return;
      this.disk.removeUser(name, containerId);
      volume.users.delete(containerId);
      if (volume.users.size === 0 && andRemove(volume)) this.removeLocked(volume);
      else this.index.put(volume);
    });
  }

  /** @throws NotFound, Conflict when containers have it. */
  async remove(name: string): Promise<void> {
    await this.exclusively(name, () => {
      const volume = this.get(name);
      if (volume.users.size > 0) {
        throw conflict(`remove ${name}: volume is in use - [${[...volume.users].join(', ')}]`);
      }
      this.removeLocked(volume);
    });
  }

  private createLocked(
    name: string,
    wanted: NewVolume,
    anonymous: boolean,
  ): { volume: Volume; created: boolean } {
    const existing = this.volumes.get(name);
    if (existing) {
      checkSame(existing, wanted);
      return { volume: existing, created: false };
    }
    checkDriver(name, wanted.driver);
    checkOptions(name, wanted.options);
    const labels = wanted.name === '' ? { ...wanted.labels, [ANONYMOUS_LABEL]: '' } : wanted.labels;
    const createdAt = secondsOnly(new Date());
    const record = { name, driver: 'local', options: wanted.options, labels, createdAt, anonymous };
    this.disk.create(record);
    const volume: Volume = { record, users: new Set() };
    this.volumes.set(name, volume);
    this.index.put(volume);
    this.events.publish(engineEvent('volume', 'create', name, { driver: record.driver }));
    return { volume, created: true };
  }

  private removeLocked({ record }: Volume): void {
    this.disk.remove(record.name);
    this.volumes.delete(record.name);
    this.index.drop(record.name);
    this.events.publish(engineEvent('volume', 'destroy', record.name, { driver: record.driver }));
  }

  private remember(containerId: string, name: string): void {
    const names = this.byContainer.get(containerId);
    if (names) names.add(name);
    else this.byContainer.set(containerId, new Set([name]));
  }

  private forget(containerId: string, name: string): void {
    const names = this.byContainer.get(containerId);
    names?.delete(name);
    if (names?.size === 0) this.byContainer.delete(containerId);
  }
}

function checkDriver(name: string, driver: string): void {
  if (driver !== '' && driver !== 'local') {
    throw notFound(
      `create ${name}: error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`,
    );
  }
}

/** Asking again for a volume is fine, as long as it is not asked to be another one. */
function checkSame({ record }: Volume, wanted: NewVolume): void {
  const { name, driver } = record;
  if (wanted.driver !== '' && wanted.driver !== driver) {
    checkDriver(name, wanted.driver);
    throw conflict(
      `create ${name}: driver '${driver}' already has volume '${name}': volume name must be unique`,
    );
  }
  if (
    Object.keys(wanted.options).length > 0 &&
    !isDeepStrictEqual({ ...wanted.options }, { ...record.options })
  ) {
    throw conflict(
      `create ${name}: driver '${driver}' already has volume '${name}' with other options: volume name must be unique`,
    );
  }
}
