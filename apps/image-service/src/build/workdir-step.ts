import { posix } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { TargetRoot } from '../copy/target-root';
import type { ConfigInstruction } from '../dockerfile/dockerfile';
import type { StoredLayer } from '../layers/layer-store';
import type { BuildScope, PlannedStep } from './build-scope';
import { type BuiltImage, configOf, topOf } from './built-image';
import { configStep } from './config-steps';
import { StepDirectories } from './step-directories';

/** WORKDIR: changes the configuration, and makes the directory where it is missing. */
@Injectable()
export class WorkdirStep {
  constructor(
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'files' | 'paths'>,
  ) {}

  plan(image: BuiltImage, instruction: ConfigInstruction, scope: BuildScope): PlannedStep {
    const step = configStep(configOf(image), instruction, false);
    return { ...step, perform: () => this.make(image, step.config.WorkingDir ?? '/', scope) };
  }

  private async make(image: BuiltImage, path: string, scope: BuildScope): Promise<StoredLayer | undefined> {
    const top = topOf(image);
    const step = this.directories.open(top, { forRunning: false });
    try {
      this.makeIn(step.root, posix.resolve('/', path));
    } catch (error) {
      await this.directories.close(step);
      throw error;
    }
    return this.directories.commit(step, top, scope);
  }

  /** Also where a symlink of the image leads to what is not there yet. */
  private makeIn(root: string, path: string): void {
    const target = new TargetRoot(this.linux, root);
    try {
      const resolved = target.resolve(path);
      if (target.statusOf(resolved) && !target.isDirectory(resolved)) {
        throw invalidArgument(`Cannot mkdir: ${path} is not a directory`);
      }
      target.makeDirectories(resolved, { uid: 0, gid: 0 });
    } finally {
      target.close();
    }
  }
}
