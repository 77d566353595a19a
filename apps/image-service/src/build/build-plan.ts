import { invalidArgument } from '@gantry/shared/errors';
import type { Dockerfile, Instruction, Stage } from '../dockerfile/dockerfile';
import { expandWord } from '../dockerfile/variables';
import type { NamedContext } from '@gantry/shared/queue';
import { contextNameFor } from './named-contexts';
import { parseRunMount } from '../dockerfile/run-mounts';
import { wholeCopy } from '../dockerfile/whole-copy';

/** The base that is none. */
export const SCRATCH = 'scratch';

/** A stage that has to be built. */
export interface PlannedStage {
  /** In the Dockerfile, from 0. */
  index: number;
  stage: Stage;
  /** Variables put in: an image, or `scratch`, unless `baseStage` says that it is a stage. */
  base: string;
  baseStage?: number;
  platform: string;
  /** The number of its first step, from 1. */
  firstStep: number;
  /** What BuildKit calls it; empty: it is the only one. */
  label: string;
}

export interface BuildPlan {
  /** In the order of the Dockerfile; the last one is the image that is wanted. */
  stages: PlannedStage[];
  /** How many steps all of them have. */
  steps: number;
}

export interface PlanOptions {
  target: string;
  variables: ReadonlyMap<string, string>;
  /** Steps that are added to the last one. */
  labels: number;
  /** API-less: BuildKit's named contexts. */
  contexts: Readonly<Record<string, NamedContext>>;
}

/**
 * Which stages the wanted one needs: those alone are built.
 * @throws InvalidArgument as dockerd words it
 */
export function planBuild(
  { stages, escape }: Dockerfile,
  { target, variables, labels, contexts }: PlanOptions,
): BuildPlan {
  const last = targetOf(stages, target);
  const known = stages.map((stage) => withoutContexts(stage, contexts));
  const planned = stages.slice(0, last + 1).map((stage, index): PlannedStage => {
    const expand = (word: string) => expandWord(word, { variables, escape });
    const base = expand(stage.base);
    if (base === '') throw invalidArgument(`base name (${stage.base}) should not be blank`);
    const baseStage = stageNamed(known.slice(0, index), base);
    const stood = baseStage === undefined ? standIn(stage, base, contexts) : { stage, base };
    const label = stages.length === 1 ? '' : stage.name || `stage-${index}`;
    return { index, ...stood, baseStage, platform: expand(stage.platform), firstStep: 0, label };
  });
  const needed = neededBy(planned, known, last);
  let steps = 0;
  for (const one of needed) {
    one.firstStep = steps + 1;
    steps += 1 + one.stage.instructions.length;
  }
  return { stages: needed, steps: steps + labels };
}

/** A stage by its name or number, among those before the one that asks. */
export function stageReferred(stages: Stage[], reference: string): number | undefined {
  const named = stageNamed(stages, reference);
  if (named !== undefined) return named;
  return /^\d+$/.test(reference) && Number(reference) < stages.length ? Number(reference) : undefined;
}

function stageNamed(stages: Stage[], name: string): number | undefined {
  const found = stages.findLastIndex((stage) => stage.name !== '' && stage.name === name.toLowerCase());
  return found < 0 ? undefined : found;
}

function targetOf(stages: Stage[], target: string): number {
  if (target === '') return stages.length - 1;
  const found = stageReferred(stages, target);
  if (found === undefined) throw invalidArgument(`target stage ${JSON.stringify(target)} could not be found`);
  return found;
}

/** A named context stands before a stage of that name. */
export const withoutContexts = (stage: Stage, contexts: PlanOptions['contexts']): Stage =>
  Object.hasOwn(contexts, stage.name) ? { ...stage, name: '' } : stage;

/** What a named context makes of a base image: another image, or a stage that begins with a copy of its files. */
function standIn(
  stage: Stage,
  base: string,
  contexts: PlanOptions['contexts'],
): Pick<PlannedStage, 'stage' | 'base'> {
  const context = contexts[contextNameFor(contexts, base) ?? ''];
  if (!context) return { stage, base };
  if (context.kind === 'image') return { stage, base: context.reference };
  const origin = { ...stage.origin, text: `COPY --from=${base} / /` };
  return {
    base: SCRATCH,
    stage: { ...stage, instructions: [wholeCopy(base, '/', origin), ...stage.instructions] },
  };
}

function neededBy(stages: PlannedStage[], known: Stage[], last: number): PlannedStage[] {
  const needed = new Set<number>();
  const add = (index: number): void => {
    const planned = stages[index];
    if (!planned || needed.has(index)) return;
    needed.add(index);
    if (planned.baseStage !== undefined) add(planned.baseStage);
    const before = known.slice(0, index);
    for (const reference of planned.stage.instructions.flatMap(sourcesOf)) {
      const other = stageReferred(before, reference);
      if (other !== undefined) add(other);
    }
  };
  add(last);
  return stages.filter(({ index }) => needed.has(index));
}

/** What an instruction takes files from besides the context. */
function sourcesOf(instruction: Instruction): string[] {
  if (instruction.kind === 'copy') return instruction.from === '' ? [] : [instruction.from];
  if (instruction.kind !== 'run') return [];
  // No variable may stand in `from`.
  return instruction.mounts.map((text) => parseRunMount(text, (word) => word || '0').from).filter(Boolean);
}
