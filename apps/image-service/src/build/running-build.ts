import { EngineError, invalidArgument } from '@gantry/shared/errors';
import type { Dockerfile, Instruction } from '../dockerfile/dockerfile';
import type { OnLines } from '../progress/progress-lines';
import type { BaseImages } from './base-images';
import { BuildOutput } from './build-output';
import { type BuildPlan, type PlannedStage, stageReferred, withoutContexts } from './build-plan';
import type { BuildScope } from './build-scope';
import type { BuiltImage } from './built-image';
import { contextNameFor } from './named-contexts';
import type { BuiltStage, StageBuilder } from './stage-builder';

/** The stages of one build, each built once, by whoever needs it first. */
export class RunningBuild {
  private readonly running = new Map<number, { result: Promise<BuiltStage>; output: BuildOutput }>();
  private failure?: { error: unknown };

  constructor(
    private readonly stages: StageBuilder,
    private readonly bases: BaseImages,
    private readonly dockerfile: Dockerfile,
    private readonly plan: BuildPlan,
    private readonly labels: Instruction[],
    private readonly scope: BuildScope,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  /** All stages at once as far as they do not need each other; told in their order. Returns the last one. @throws the first failure */
  async run(onLines: OnLines): Promise<BuiltStage> {
    for (const planned of this.plan.stages) this.begin(planned, onLines);
    let last: BuiltStage | undefined;
    for (const { output, result } of this.running.values()) {
      output.open();
      const [ended] = await Promise.allSettled([result]);
      await output.flush();
      if (ended.status === 'fulfilled') last = ended.value;
      else if (ended.reason === this.failure?.error) break;
    }
    if (this.failure) throw this.failure.error;
    if (!last) throw invalidArgument('no build stage in current context');
    return last;
  }

  /** @throws InvalidArgument for a stage that is not there, what the registry says of an image */
  async source(reference: string, stageIndex: number, output: BuildOutput): Promise<BuiltImage> {
    const { contexts } = this.scope.request;
    const stages = this.dockerfile.stages.map((stage) => withoutContexts(stage, contexts));
    const index = stageReferred(stages.slice(0, stageIndex), reference);
    const stage = index === undefined ? undefined : this.running.get(index);
    if (stage) return (await stage.result).image;
    if (/^\d+$/.test(reference)) {
      throw invalidArgument(`invalid from flag value ${reference}: invalid stage index ${reference}`);
    }
    const { platform, epoch, registries, request, signal } = this.scope;
    const named = contexts[contextNameFor(contexts, reference) ?? ''];
    const image = named?.kind === 'image' ? named.reference : reference;
    const { pull, isForBuildKit } = request;
    const order = { reference: image, platform, pull, registries, epoch, isForBuildKit };
    try {
      return await this.bases.find(order, async (line) => output.pulling(line), signal);
    } catch (error) {
      // Of dockerd's own builder.
      if (isForBuildKit || !(error instanceof EngineError)) throw error;
      throw new EngineError(error.kind, `invalid from flag value ${reference}: ${error.message}`);
    }
  }

  private begin(planned: PlannedStage, onLines: OnLines): void {
    const output = new BuildOutput(onLines, this.scope.request.isForBuildKit);
    const base = planned.baseStage === undefined ? undefined : this.running.get(planned.baseStage)?.result;
    const isLast = planned === this.plan.stages.at(-1);
    const more = isLast ? this.labels : [];
    const options = { base, steps: this.plan.steps, more };
    const result = this.stages.build(planned, options, this.scope, output);
    result.catch((error: unknown) => {
      this.failure ??= { error };
      this.onFailure(error);
    });
    this.running.set(planned.index, { result, output });
  }
}
