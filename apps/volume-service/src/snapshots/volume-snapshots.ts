import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { conflict } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { MountMarks } from '../attachments/mount-marks';
import { VolumeDrivers } from '../drivers/volume-drivers';
import { VolumeCatalogue } from '../volumes/volume-catalogue';
import { TreeMirror } from './tree-mirror';

/** How often what has changed meanwhile is copied again. */
const PASSES = 8;
/** What changed just before a pass is settled after this (see TreeMirror). Milliseconds. */
const SETTLED_MS = 25;
const { O_DIRECTORY, O_RDONLY } = constants;

/** Reads volumes, used by containers or not, as they were at one moment. */
@Injectable()
export class VolumeSnapshots {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly volumes: VolumeCatalogue,
    private readonly drivers: VolumeDrivers,
    private readonly marks: MountMarks,
  ) {}

  /** The running containers that have it. */
  users(name: string): string[] {
    return this.marks.of(name);
  }

  /**
   * Calls `action` with the volume's directory, which is mounted as long as that takes. `purpose` is who mounts it, for a
   * plugin. @throws NotFound
   */
  async withDirectory<T>(
    name: string,
    purpose: string,
    action: (directory: number) => Promise<T>,
  ): Promise<T> {
    const { record } = this.volumes.get(name);
    const driver = await this.drivers.get(record.driver);
    const path = await this.volumes.exclusively(name, () => driver.mount(record, purpose));
    try {
      const directory = openSync(path, O_RDONLY | O_DIRECTORY);
      try {
        return await action(directory);
      } finally {
        closeSync(directory);
      }
    } finally {
      await this.volumes.exclusively(name, () => driver.unmount(record, purpose, this.marks.of(name).length));
    }
  }

  /**
   * Copies the volume into the empty directory `target`, again and again what has changed since, until nothing has: then
   * the copy is what there was at one moment. @throws Conflict where somebody writes all the time.
   */
  async copy(name: string, purpose: string, target: string): Promise<void> {
    await this.withDirectory(name, purpose, async (from) => {
      const to = openSync(target, O_RDONLY | O_DIRECTORY);
      try {
        const mirror = new TreeMirror(this.linux, from, to);
        for (let passes = 0; passes < PASSES; passes += 1) {
          // What is only in mapped memory yet gets its time of change when it is written.
          await this.linux.mounts.syncfs(`/proc/self/fd/${from}`);
          if ((await mirror.pass()) === 0) return;
          await sleep(SETTLED_MS);
        }
      } finally {
        closeSync(to);
      }
      throw conflict(
        `volume ${name} is being written to: pause or stop the containers that have it - [${this.users(name).join(', ')}]`,
      );
    });
  }
}
