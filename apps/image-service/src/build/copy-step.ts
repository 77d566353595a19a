import { Inject, Injectable } from '@nestjs/common';
import { faultPoint } from '@gantry/shared/faults';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { copyComment } from '../copy/copy-comment';
import { copySources } from '../copy/copy-sources';
import type { Selection } from '../copy/selection';
import type { AddInstruction, CopyInstruction } from '../dockerfile/dockerfile';
import type { StoredLayer } from '../layers/layer-store';
import type { BuildOutput } from './build-output';
import type { BuildScope, PlannedStep } from './build-scope';
import { type BuiltImage, configOf, topOf } from './built-image';
import { nothingRun } from './config-steps';
import { SourceSelection } from './source-selection';
import { StepDirectories } from './step-directories';

type Transfer = CopyInstruction | AddInstruction;

/** COPY and ADD. */
@Injectable()
export class CopyStep {
  constructor(
    @Inject(SourceSelection) private readonly selection: SourceSelection,
    @Inject(StepDirectories) private readonly directories: StepDirectories,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** Reads what is to be copied, unless that was read before. @throws InvalidArgument as dockerd words it */
  async plan(
    image: BuiltImage,
    instruction: Transfer,
    stageIndex: number,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<PlannedStep> {
    const sources = await this.selection.prepare(instruction, stageIndex, scope, output);
    const config = configOf(image);
    const { digest, key } = await sources.digests();
    const { kind, destination, chown, chmod, parents } = instruction;
    return {
      inputs: { copy: key, kind, destination, chown, chmod, parents },
      createdBy: nothingRun(config, copyComment(instruction, digest), ' '),
      config,
      perform: async () => this.perform(image, instruction, await sources.open(), scope),
      close: () => sources.close(),
    };
  }

  private async perform(
    image: BuiltImage,
    instruction: Transfer,
    selection: Selection,
    scope: BuildScope,
  ): Promise<StoredLayer | undefined> {
    const top = topOf(image);
    const step = this.directories.open(top, { forRunning: false });
    try {
      const workingDirectory = configOf(image).WorkingDir ?? '/';
      const { signal } = scope;
      await copySources(this.linux, selection, instruction, { root: step.root, workingDirectory, signal });
      faultPoint('build-files-copied');
    } catch (error) {
      await this.directories.close(step);
      throw error;
    }
    return this.directories.commit(step, top, scope);
  }
}
