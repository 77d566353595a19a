import { closeSync } from 'node:fs';
import { posix } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
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
    @Inject(LINUX) private readonly linux: Pick<Linux, 'paths'>,
  ) {}

  plan(image: BuiltImage, instruction: ConfigInstruction, scope: BuildScope): PlannedStep {
    const step = configStep(configOf(image), instruction, false);
    return { ...step, perform: () => this.make(image, step.config.WorkingDir ?? '/', scope) };
  }

  private async make(image: BuiltImage, path: string, scope: BuildScope): Promise<StoredLayer | undefined> {
    const top = topOf(image);
    const step = this.directories.open(top, { forRunning: false });
    try {
      closeSync(this.linux.paths.mkdirAllInRoot(step.root, posix.resolve('/', path)));
    } catch (error) {
      await this.directories.close(step);
      if (!hasCode(error, 'ENOTDIR', 'EEXIST')) throw error;
      throw invalidArgument(`Cannot mkdir: ${path} is not a directory`);
    }
    return this.directories.commit(step, top, scope);
  }
}
