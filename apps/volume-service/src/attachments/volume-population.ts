import { closeSync, constants, mkdirSync, openSync, readdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { TreeMirror } from '../snapshots/tree-mirror';

export interface Population {
  /** The container's mounted root file system, which is hostile. */
  rootfs: string;
  /** Inside of it. */
  path: string;
  /** The volume's `_data`. */
  mountpoint: string;
  /** A directory below it, which containers may have put anything at; empty: all of the volume. */
  subpath: string;
  /** Other containers see the volume, or it is a mount: the directory itself has to stay. */
  inUse: boolean;
}

const { O_RDONLY, O_DIRECTORY } = constants;

/** Docker's copy-up: a volume that is empty gets what the image has where it is going to be mounted. */
@Injectable()
export class VolumePopulation {
  constructor(@Inject(LINUX) private readonly linux: Linux) {}

  async populate(population: Population): Promise<void> {
    const { mountpoint, subpath, inUse } = population;
    const target = this.openDirectory(() =>
      this.linux.paths.openBeneath(mountpoint, subpath || '.', O_RDONLY | O_DIRECTORY),
    );
    if (target === undefined) return;
    try {
      if (readdirSync(`/proc/self/fd/${target}`).length > 0) return;
      const { rootfs, path } = population;
      const source = this.openDirectory(() =>
        this.linux.paths.openInRoot(rootfs, path, O_RDONLY | O_DIRECTORY),
      );
      if (source === undefined) return;
      try {
        if (inUse || subpath !== '') await new TreeMirror(this.linux, source, target).pass();
        else await this.copyAndSwap(source, mountpoint);
      } finally {
        closeSync(source);
      }
    } finally {
      closeSync(target);
    }
  }

  /** Undefined where there is no such directory: of the volume's it is the start that complains. */
  private openDirectory(open: () => number): number | undefined {
    try {
      return open();
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV')) return undefined;
      throw error;
    }
  }

  /** Aside, then in place by one rename: after a crash the volume is either still empty or complete. */
  private async copyAndSwap(source: number, mountpoint: string): Promise<void> {
    const aside = join(dirname(mountpoint), 'populating');
    await rm(aside, { recursive: true, force: true });
    mkdirSync(aside, { mode: 0o700 });
    await this.copyInto(source, aside);
    renameSync(aside, mountpoint);
  }

  private async copyInto(source: number, directory: string): Promise<void> {
    const target = openSync(directory, O_RDONLY | O_DIRECTORY);
    try {
      await new TreeMirror(this.linux, source, target).pass();
    } finally {
      closeSync(target);
    }
  }
}
