import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstanceConfig } from '@gantry/shared/config';
import type { EngineEvent, EventPublisher } from '@gantry/shared/events';
import { KernelFiles, KernelMounts, KernelPaths, type Linux } from '@gantry/shared/linux';
import { createLogger } from '@gantry/shared/logging';
import { Attachments } from './attachments/attachments';
import { MountMarks } from './attachments/mount-marks';
import { VolumePopulation } from './attachments/volume-population';
import type { VolumeIndex } from './index/volume-index';
import { LocalDriver } from './local-driver/local-driver';
import type { Volume } from './volumes/volume';
import { VolumeCatalogue } from './volumes/volume-catalogue';
import { VolumeDisk } from './volumes/volume-disk';
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
  readonly linux = {
    mounts: new KernelMounts(),
    files: new KernelFiles(),
    paths: new KernelPaths(),
  } as unknown as Linux;
  readonly events: EngineEvent[] = [];
  index!: MemoryIndex;
  volumes!: VolumeCatalogue;
  attachments!: Attachments;
  api!: VolumesController;

  constructor() {
    this.restart();
  }

  /** What a start of the service makes of the disk and the mount table. */
  restart(): void {
    const config = { dataRoot: join(this.root, 'data'), runDir: join(this.root, 'run') } as InstanceConfig;
    const logger = createLogger('test', 'fatal');
    const events = { publish: (event: EngineEvent) => this.events.push(event) } as unknown as EventPublisher;
    this.index = new MemoryIndex();
    const disk = new VolumeDisk(config, this.linux, logger);
    this.volumes = new VolumeCatalogue(disk, this.index as unknown as VolumeIndex, events);
    this.attachments = new Attachments(
      this.volumes,
      new LocalDriver(this.linux),
      new MountMarks(config),
      new VolumePopulation(this.linux),
      events,
      logger,
    );
    this.api = new VolumesController(this.volumes, new VolumeSizes(this.volumes), events);
    this.volumes.load();
    this.attachments.reconcile();
  }

  remove(): void {
    for (const { record } of this.volumes.all())
      this.linux.mounts.detach(this.volumes.mountpoint(record.name));
    rmSync(this.root, { recursive: true, force: true });
  }
}

export const plain = (name: string) => ({ name, driver: '', options: {}, labels: {} });
