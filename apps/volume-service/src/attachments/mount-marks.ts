import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';

export interface MountMark {
  /** Where the volume is for this container; empty while its plugin is asked, or was when a crash came. */
  path: string;
  /** Whether there was an event of it. */
  announced: boolean;
  /** Its plugin was asked to unmount it, and how that ended is not known. */
  leaving?: boolean;
}

/**
 * Which running containers have a volume mounted: `<run directory>/volume-mounts/<volume>/<container id>`. In the run
 * directory because a reboot ends containers and mounts alike.
 */
@Injectable()
export class MountMarks {
  private readonly root: string;

  constructor(@Inject(INSTANCE_CONFIG) config: InstanceConfig) {
    this.root = join(config.runDir, 'volume-mounts');
  }

  set(volume: string, containerId: string, mark: MountMark): void {
    const directory = join(this.root, volume);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const unfinished = join(this.root, `.${containerId}`);
    writeFileSync(unfinished, JSON.stringify(mark), { mode: 0o600 });
    renameSync(unfinished, join(directory, containerId));
  }

  get(volume: string, containerId: string): MountMark | undefined {
    try {
      return JSON.parse(readFileSync(join(this.root, volume, containerId), 'utf8')) as MountMark;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      // Of a version that wrote none: it is where local volumes are.
      if (error instanceof SyntaxError) return { path: '', announced: true };
      throw error;
    }
  }

  clear(volume: string, containerId: string): void {
    rmSync(join(this.root, volume, containerId), { force: true });
    try {
      rmdirSync(join(this.root, volume));
    } catch {
      // Not empty, or never made.
    }
  }

  /** The containers that have it mounted. */
  of(volume: string): string[] {
    return namesIn(join(this.root, volume));
  }

  volumes(): string[] {
    return namesIn(this.root).filter((name) => !name.startsWith('.'));
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
