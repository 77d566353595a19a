import { closeSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
import type { OciMount } from '@gantry/shared/oci';
import type { StepDirectory } from '../step-directories';

/** An overlay whose changes nobody keeps, for a directory that a process may write to all the same. */
@Injectable()
export class ThrowawayMounts {
  constructor(@Inject(LINUX) private readonly linux: Linux) {}

  /**
   * What the image declares as volumes is no part of it: a process sees what is there, and what it writes is lost, as with
   * dockerd, which gives it volumes. The directories themselves are the image's.
   */
  volumes(step: StepDirectory, paths: string[]): OciMount[] {
    return paths.sort().map((path, index) => {
      closeSync(this.linux.paths.mkdirAllInRoot(step.root, path));
      const source = this.linux.paths.resolveInRoot(step.root, path);
      return bind(this.over(step, `volume-${index}`, source), path);
    });
  }

  /** `lower` with a layer of its own in the step's directory. Returns where it is mounted. */
  over(step: StepDirectory, name: string, lower: string): string {
    const directory = join(step.path, name);
    const part = (of: string): string => {
      mkdirSync(join(directory, of), { recursive: true });
      return join(directory, of);
    };
    const target = part('merged');
    this.linux.mounts.overlay({ lower: [lower], upper: part('diff'), work: part('work'), target });
    step.mounts.push(target);
    return target;
  }
}

const bind = (source: string, destination: string): OciMount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate'],
});
