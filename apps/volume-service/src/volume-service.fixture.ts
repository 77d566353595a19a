import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceConfig } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import type { EngineEvent, EventPublisher } from '@gantry/shared/events';
import { createLinux, type Linux } from '@gantry/shared/linux';
import { createLogger } from '@gantry/shared/logging';
import { VolumeArchives } from './archives/volume-archives';
import { Attachments } from './attachments/attachments';
import { MountMarks } from './attachments/mount-marks';
import { VolumePopulation } from './attachments/volume-population';
import type { VolumeIndex } from './index/volume-index';
import type { PluginSettings } from './config';
import { VolumeDrivers } from './drivers/volume-drivers';
import { LocalDriver } from './local-driver/local-driver';
import { VolumeMounter } from './local-driver/volume-mounter';
import { PluginDiscovery } from './plugins/plugin-discovery';
import { PluginDrivers } from './plugins/plugin-drivers';
import { VolumeSnapshots } from './snapshots/volume-snapshots';
import type { Volume } from './volumes/volume';
import { VolumeCatalogue } from './volumes/volume-catalogue';
import { VolumeDisk } from './volumes/volume-disk';
import { VolumeListing } from './volumes/volume-listing';
import { VolumeRecovery } from './volumes/volume-recovery';
import { VolumeSizes } from './volumes/volume-sizes';
import { VolumesController } from './volumes/volumes.controller';

/** What would be in Postgres: volume name to the ids of its containers. */
class MemoryIndex {
  readonly rows = new Map<string, string[]>();
  reconcile(volumes: Volume[]): void {
    this.rows.clear();
    for (const volume of volumes) this.put(volume);
  }
  put({ record, users }: Volume): void {
    this.rows.set(record.name, [...users]);
  }
  drop(name: string): void {
    this.rows.delete(name);
  }
}

/** A volume-service without gRPC, Postgres and Redis, on the real kernel and a directory of its own. */
export class Fixture {
  readonly root = mkdtempSync(join(tmpdir(), 'volumes-'));
  readonly linux: Linux = createLinux();
  readonly events: EngineEvent[] = [];
  /** Limits that a loaded machine keeps; whoever tests one sets it. */
  readonly plugins: PluginSettings = {
    sockets: join(this.root, 'plugins'),
    specs: [join(this.root, 'specs')],
    longestMs: 20_000,
    answerMs: 20_000,
    glanceMs: 20_000,
  };
  index!: MemoryIndex;
  private disk?: VolumeDisk;
  local!: LocalDriver;
  volumes!: VolumeCatalogue;
  attachments!: Attachments;
  archives!: VolumeArchives;
  api!: VolumesController;

  constructor() {
    this.restart();
  }

  /** What a start of the service makes of the disk and the mount table. */
  restart(): void {
    void this.disk?.onApplicationShutdown();
    const config = { dataRoot: join(this.root, 'data'), runDir: join(this.root, 'run') } as InstanceConfig;
    const logger = createLogger('test', 'fatal');
    const events = { publish: (event: EngineEvent) => this.events.push(event) } as unknown as EventPublisher;
    this.index = new MemoryIndex();
    const marks = new MountMarks(config);
    const disk = (this.disk = new VolumeDisk(config, this.linux, new LateSync(logger), logger));
    const local = new LocalDriver(this.linux, config, new VolumeMounter(this.linux));
    const drivers = new VolumeDrivers(
      local,
      new PluginDrivers(this.plugins, new PluginDiscovery(this.plugins)),
    );
    this.local = local;
    this.volumes = new VolumeCatalogue(disk, drivers, this.index as unknown as VolumeIndex, events, logger);
    this.attachments = new Attachments(
      this.volumes,
      drivers,
      local,
      marks,
      new VolumePopulation(this.linux),
      events,
      logger,
    );
    this.api = new VolumesController(
      this.volumes,
      new VolumeListing(this.volumes, drivers, local, disk),
      new VolumeSizes(this.volumes, local),
      events,
      drivers,
    );
    const snapshots = new VolumeSnapshots(this.linux, this.volumes, drivers, marks);
    this.archives = new VolumeArchives(this.linux, this.volumes, disk, local, snapshots);
    const unsettled = this.volumes.load();
    this.attachments.reconcile();
    new VolumeRecovery(this.volumes, drivers, logger).begin(unsettled);
  }

  async remove(): Promise<void> {
    await this.disk?.onApplicationShutdown();
    for (const { record } of this.volumes.all()) this.linux.mounts.detach(this.local.mountpoint(record.name));
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** What is in the directory of the volumes, but for what waits to become one. */
export const volumesIn = (root: string): string[] =>
  readdirSync(join(root, 'data', 'volumes'))
    .filter((name) => !name.startsWith('.spare-'))
    .sort();

export const plain = (name: string) => ({ name, driver: '', options: {}, labels: {} });
