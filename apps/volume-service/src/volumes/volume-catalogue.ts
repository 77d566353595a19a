import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { conflict, EngineError, isKind, messageOf, notFound } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { faultPoint } from '@gantry/shared/faults';
import { KeyedLock } from '@gantry/shared/locks';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { VolumeDriver } from '../drivers/volume-driver';
import { VolumeDrivers } from '../drivers/volume-drivers';
import { VolumeIndex } from '../index/volume-index';
import { ANONYMOUS_LABEL, checkVolumeName, newAnonymousName, type Volume, type VolumeRecord } from './volume';
import { secondsOnly, VolumeDisk, type Unfinished } from './volume-disk';

export interface NewVolume {
  /** Empty: a name is made up. */
  name: string;
  /** Empty: any, which means `local`. */
  driver: string;
  options: Record<string, string>;
  labels: Record<string, string>;
}

/** Puts content into the directory of a new volume before anybody sees it. */
export type Filler = (directory: string) => Promise<void>;

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
    private readonly drivers: VolumeDrivers,
    private readonly index: VolumeIndex,
    private readonly events: EventPublisher,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Reads the disk. Once, before anything else. Gives what has still to be settled with plugins. */
  load(): { unfinished: Unfinished[]; leaving: Volume[] } {
    const { volumes, ...unsettled } = this.disk.load();
    for (const volume of volumes) {
      this.volumes.set(volume.record.name, volume);
      for (const containerId of volume.users) this.remember(containerId, volume.record.name);
    }
    this.index.reconcile(volumes);
    return unsettled;
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

  /** The names of the volumes that the container has. */
  ofContainer(containerId: string): string[] {
    return [...(this.byContainer.get(containerId) ?? [])];
  }

  /** Keeps changes to this volume waiting while `action` runs; must not be nested. */
  exclusively<T>(name: string, action: () => T | Promise<T>): Promise<T> {
    return this.locks.hold(name, action);
  }

  /** The volume of that name, made if there is none. @throws Conflict, InvalidArgument, NotFound (the driver). */
  async create(wanted: NewVolume, fill?: Filler): Promise<{ volume: Volume; created: boolean }> {
    const name = wanted.name || newAnonymousName();
    checkVolumeName(name);
    return this.exclusively(name, () => this.createLocked(name, wanted, false, fill));
  }

  /** The same, and the container is a user of it when this returns. */
  async acquire(
    wanted: NewVolume,
    containerId: string,
  ): Promise<{ volume: Volume; created: boolean; added: boolean }> {
    const name = wanted.name || newAnonymousName();
    checkVolumeName(name);
    return this.exclusively(name, async () => {
      const { volume, created } = await this.createLocked(name, wanted, wanted.name === '');
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
    await this.exclusively(name, async () => {
      const volume = this.volumes.get(name);
      this.forget(containerId, name);
      if (!volume?.users.has(containerId)) return;
      this.disk.removeUser(name, containerId);
      volume.users.delete(containerId);
      this.index.put(volume);
      if (volume.users.size > 0 || !andRemove(volume)) return;
      // As in dockerd: that the container goes does not depend on it.
      await this.removeLocked(volume, false).catch((error: unknown) =>
        this.logger.warn({ err: error, volume: name }, 'a volume that nobody uses is still there'),
      );
    });
  }

  /** @throws NotFound, Conflict when containers have it, what its plugin says unless `force`. */
  async remove(name: string, force = false): Promise<void> {
    await this.exclusively(name, async () => {
      const volume = this.volumes.get(name) ?? (await this.adopt(name));
      if (!volume) throw notFound(`get ${name}: no such volume`);
      if (volume.users.size > 0) {
        throw conflict(`remove ${name}: volume is in use - [${[...volume.users].join(', ')}]`);
      }
      await this.removeLocked(volume, force);
    });
  }

  /** Half-made by an earlier life of this service, and its plugin has it. */
  async settleCreation({ record, directory }: Unfinished, exists: boolean): Promise<void> {
    await this.exclusively(record.name, () => {
      if (exists && !this.volumes.has(record.name)) this.name(record, directory);
      else this.disk.discard(directory);
    });
  }

  private async createLocked(
    name: string,
    wanted: NewVolume,
    anonymous: boolean,
    fill?: Filler,
  ): Promise<{ volume: Volume; created: boolean }> {
    const existing = this.volumes.get(name) ?? (wanted.driver === '' ? await this.adopt(name) : undefined);
    if (existing) {
      await this.checkSame(existing, wanted);
      return { volume: existing, created: false };
    }
    const driver = await this.driver(name, wanted.driver);
    driver.check(name, wanted.options);
    const labels = wanted.name === '' ? { ...wanted.labels, [ANONYMOUS_LABEL]: '' } : wanted.labels;
    const createdAt = secondsOnly(new Date());
    const record = { ...newRecord(name, driver), options: wanted.options, labels, createdAt, anonymous };
    const directory = await this.disk.begin(record, driver.keepsData);
    try {
      await driver.create(record, directory);
      faultPoint('volume-made-by-driver');
      await fill?.(directory);
      const volume = this.name(record, directory);
      this.events.publish(engineEvent('volume', 'create', name, { driver: record.driver }));
      return { volume, created: true };
    } catch (error) {
      this.disk.discard(directory);
      throw about(`create ${name}`, error);
    }
  }

  private name(record: VolumeRecord, directory: string): Volume {
    this.disk.finish(record.name, directory);
    const volume: Volume = { record, users: new Set() };
    this.volumes.set(record.name, volume);
    this.index.put(volume);
    return volume;
  }

  /** A volume that we do not know but a plugin has, as when it was made on another host, becomes one of ours. */
  private async adopt(name: string): Promise<Volume | undefined> {
    const driver = await this.drivers.whoHas(name);
    if (!driver) return undefined;
    const record = { ...newRecord(name, driver), createdAt: secondsOnly(new Date()) };
    return this.name(record, await this.disk.begin(record, driver.keepsData));
  }

  private async removeLocked({ record }: Volume, force: boolean): Promise<void> {
    const { name } = record;
    try {
      const driver = await this.drivers.get(record.driver);
      if (!driver.keepsData) this.disk.markLeaving(name);
      await driver.remove(record);
      faultPoint('volume-removed-by-driver');
    } catch (error) {
      if (!force) {
        this.disk.unmarkLeaving(name);
        throw about(`remove ${name}`, error);
      }
    }
    this.disk.remove(name);
    this.volumes.delete(name);
    this.index.drop(name);
    this.events.publish(engineEvent('volume', 'destroy', name, { driver: record.driver }));
  }

  private async driver(name: string, driver: string): Promise<VolumeDriver> {
    try {
      return await this.drivers.get(driver);
    } catch (error) {
      throw about(`create ${name}`, error);
    }
  }

  /** Asking again for a volume is fine, as long as it is not asked to be another one. */
  private async checkSame({ record }: Volume, wanted: NewVolume): Promise<void> {
    const { name, driver } = record;
    const taken = `create ${name}: driver '${driver}' already has volume '${name}'`;
    if (wanted.driver !== '' && (await this.driver(name, wanted.driver)).name !== driver) {
      throw conflict(`${taken}: volume name must be unique`);
    }
    if (
      Object.keys(wanted.options).length > 0 &&
      !isDeepStrictEqual({ ...wanted.options }, { ...record.options })
    ) {
      throw conflict(`${taken} with other options: volume name must be unique`);
    }
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

export function newRecord(name: string, driver: VolumeDriver): VolumeRecord {
  const record = { name, driver: driver.name, options: {}, labels: {}, createdAt: '', anonymous: false };
  return driver.scope === 'global' ? { ...record, scope: driver.scope } : record;
}

/** dockerd's form: what was being done, to which volume, and what is wrong. */
function about(what: string, error: unknown): unknown {
  if (!(error instanceof EngineError) || error.message.startsWith(`${what}: `)) return error;
  const kind = isKind(error, 'Unavailable') ? 'Internal' : error.kind;
  return new EngineError(kind, `${what}: ${messageOf(error)}`, { cause: error });
}
