import { Inject, Injectable } from '@nestjs/common';
import { messageOf } from '@gantry/shared/errors';
import type { StageArguments } from '../dockerfile/build-arguments';
import type { Instruction } from '../dockerfile/dockerfile';
import { expandInstruction } from '../dockerfile/expand-instruction';
import { parseTrigger } from '../dockerfile/parse-dockerfile';
import { SyntaxFailure } from '../dockerfile/parse-failure';
import { hostPlatform, parsePlatform } from '../images/image-config';
import { BaseImages } from './base-images';
import type { BuildOutput } from './build-output';
import { type PlannedStage, SCRATCH } from './build-plan';
import type { BuildScope, PlannedStep } from './build-scope';
import { asBase, type BuiltImage, configOf, emptyDocument } from './built-image';
import { CopyStep } from './copy-step';
import { configStep, nothingRun } from './config-steps';
import { RunStep } from './run-step';
import { StepExecutor } from './step-executor';
import { baseKey, stepKey } from './cache/step-key';
import { VertexNames } from './vertex-names';
import { WorkdirStep } from './workdir-step';

/** A stage that has been built. */
export interface BuiltStage {
  image: BuiltImage;
  /** What it began with. */
  base: BuiltImage;
  arguments: StageArguments;
}

/** Builds one stage, instruction by instruction. */
@Injectable()
export class StageBuilder {
  constructor(
    @Inject(BaseImages) private readonly bases: BaseImages,
    @Inject(StepExecutor) private readonly executor: StepExecutor,
    @Inject(CopyStep) private readonly copies: CopyStep,
    @Inject(RunStep) private readonly runs: RunStep,
    @Inject(WorkdirStep) private readonly workdirs: WorkdirStep,
  ) {}

  /** `base`: where the stage is built on another. `steps`: of the whole build; `more`: instructions after those of the stage. */
  async build(
    planned: PlannedStage,
    { base, steps, more }: { base: Promise<BuiltStage> | undefined; steps: number; more: Instruction[] },
    whole: BuildScope,
    output: BuildOutput,
  ): Promise<BuiltStage> {
    const scope = scopeOf(planned, whole);
    output.step(planned.firstStep, steps, planned.stage.origin.text);
    const below = await base;
    const names = new VertexNames(planned);
    const begun = below?.image ?? (await this.base(planned, names, scope, output));
    const triggers = configOf(begun).OnBuild ?? [];
    const state: State = {
      base: begun,
      image: { ...begun, document: asBase(begun.document) },
      arguments: scope.arguments.stage(below?.arguments),
      commandGiven: false,
      names,
    };
    if (triggers.length > 0) {
      const text = `# Executing ${triggers.length} build trigger${triggers.length > 1 ? 's' : ''}\n`;
      output.classic({ stream: text });
    }
    const triggered = triggers.map((trigger) => parseTrigger(trigger));
    names.expectTriggers(triggered);
    const instructions = [...planned.stage.instructions, ...more];
    const ahead = await this.keysAhead(state, [...triggered, ...instructions], planned, scope, output);
    await this.executor.lookAhead(ahead, scope);
    if (!scope.request.noCache) scope.caches.expect(ahead, begun.layers, scope.known, scope.signal);
    for (const instruction of triggered) await this.instruct(state, instruction, planned, scope, output);
    output.image(state.image.id);
    for (const [position, instruction] of instructions.entries()) {
      output.step(planned.firstStep + 1 + position, steps, instruction.origin.text);
      await this.instruct(state, instruction, planned, scope, output);
      output.image(state.image.id);
    }
    if (state.image.id !== null) output.imageId(state.image.id);
    return state;
  }

  private async base(
    planned: PlannedStage,
    names: VertexNames,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<BuiltImage> {
    const platform = planned.platform === '' ? scope.platform : parsePlatform(planned.platform);
    const { epoch, registries, request, signal } = scope;
    if (planned.base === SCRATCH) {
      const document = emptyDocument(platform ?? hostPlatform());
      const { os, architecture, variant } = document;
      return {
        id: null,
        document,
        layers: [],
        key: baseKey(`${SCRATCH} ${os}/${architecture}/${variant ?? ''}`, epoch),
      };
    }
    const { pull, isForBuildKit } = request;
    const order = { reference: planned.base, platform, pull, registries, epoch, isForBuildKit };
    output.vertex(names.metadata);
    let isPulled = false;
    try {
      const image = await this.bases.find(
        order,
        async (line) => {
          if (!isPulled) output.vertex(names.base);
          isPulled = true;
          output.pulling(line);
        },
        signal,
      );
      if (!isPulled) output.vertex(names.base);
      return image;
    } catch (error) {
      output.failedAt(planned.stage.origin);
      throw error;
    }
  }

  /** The cache keys of the first instructions, as far as they can be told without doing anything. */
  private async keysAhead(
    { base, image, arguments: declared, commandGiven, names }: State,
    instructions: Instruction[],
    planned: PlannedStage,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<string[]> {
    const keys: string[] = [];
    const state: State = { base, image, arguments: scope.arguments.stage(declared), commandGiven, names };
    for (const written of instructions) {
      if (reachesOut(written)) break;
      try {
        const variables = state.arguments.variables(configOf(state.image).Env);
        const instruction = expandInstruction(written, variables, scope.escape);
        const step = await this.plan(state, instruction, planned, scope, output);
        await step.close?.();
        const key = stepKey(state.image.key, step.inputs);
        keys.push(key);
        state.image = { ...state.image, key, document: { ...state.image.document, config: step.config } };
        if (instruction.kind === 'cmd') state.commandGiven = true;
      } catch {
        // It is told when its turn comes.
        break;
      }
    }
    return keys;
  }

  private async instruct(
    state: State,
    written: Instruction,
    planned: PlannedStage,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<void> {
    try {
      const variables = state.arguments.variables(configOf(state.image).Env);
      const instruction = expandInstruction(written, variables, scope.escape);
      output.vertex(state.names.next(written, { variables, escape: scope.escape }));
      const step = await this.plan(state, instruction, planned, scope, output);
      if (step.note !== undefined) output.text(`${step.note}\n`);
      try {
        state.image = await this.executor.execute(state.image, step, scope, output);
      } finally {
        await step.close?.();
      }
      if (instruction.kind === 'cmd') state.commandGiven = true;
    } catch (error) {
      output.failedAt(written.origin);
      if (!(error instanceof SyntaxFailure)) throw error;
      throw new SyntaxFailure(`dockerfile line ${written.origin.line}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  private async plan(
    state: State,
    instruction: Instruction,
    planned: PlannedStage,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<PlannedStep> {
    const config = configOf(state.image);
    switch (instruction.kind) {
      case 'run':
        return this.runs.plan(
          state.image,
          instruction,
          { args: state.arguments, stageIndex: planned.index },
          scope,
          output,
        );
      case 'copy':
      case 'add':
        return this.copies.plan(state.image, instruction, planned.index, scope, output);
      case 'arg': {
        const comment = state.arguments.declare(instruction);
        return { inputs: { comment }, createdBy: nothingRun(config, comment), config };
      }
      case 'workdir':
        return this.workdirs.plan(state.image, instruction, scope);
      default: {
        return configStep(config, instruction, state.commandGiven);
      }
    }
  }
}

/** What the stage is built with: the cache may be only for others. */
function scopeOf({ stage }: PlannedStage, scope: BuildScope): BuildScope {
  const { request } = scope;
  const isUncached = stage.name !== '' && request.noCacheStages.includes(stage.name);
  return isUncached ? { ...scope, request: { ...request, noCache: true } } : scope;
}

/** Reads more than the context: the answer is worth waiting for only when it is needed. */
function reachesOut(instruction: Instruction): boolean {
  if (instruction.kind === 'copy') return instruction.from !== '';
  if (instruction.kind === 'add') return instruction.sources.some((source) => /[:$]/.test(source));
  return instruction.kind === 'run' && instruction.mounts.length > 0;
}

interface State extends BuiltStage {
  /** A CMD stands before, in this stage. */
  commandGiven: boolean;
  names: VertexNames;
}
