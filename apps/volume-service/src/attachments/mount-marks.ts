import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';

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

  set(volume: string, containerId: string): void {
    mkdirSync(join(this.root, volume), { recursive: true, mode: 0o700 });
    writeFileSync(join(this.root, volume, containerId), '', { mode: 0o600 });
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
    return namesIn(this.root);
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
