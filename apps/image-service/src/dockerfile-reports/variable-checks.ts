import type { BuildArguments, StageArguments } from '../dockerfile/build-arguments';
import type { Dockerfile, Instruction, Stage } from '../dockerfile/dockerfile';
import { SyntaxFailure } from '../dockerfile/parse-failure';
import { expandInstruction } from '../dockerfile/expand-instruction';
import type { IgnorePatterns } from '../context/ignore-patterns';
import type { Finding } from './check-rules';
import { didYouMean } from './did-you-mean';
import { ignoredSources } from './ignored-sources';
import { finding } from './spelling-checks';
import { WatchedVariables } from './watched-variables';

const SECRET = /(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)/i;
const NO_SECRET = /(?:_|^)(?:public|file|version)(?:_|$)/i;

/** What a stage begins with: `ENV` entries of its base; undefined: nobody knows. */
export type EnvironmentOf = (stage: Stage) => readonly string[] | undefined;

/** What is left in a stage for those that are built on it. */
interface Left {
  environment: string[] | undefined;
  arguments: StageArguments;
  hasWorkdir: boolean;
}

/** What variables hold, and where they are used. */
export function checkVariables(
  { stages, escape }: Dockerfile,
  scope: BuildArguments,
  { environmentOf, ignored }: { environmentOf: EnvironmentOf; ignored: IgnorePatterns | undefined },
): Finding[] {
  const found: Finding[] = [];
  const left = new Map<string, Left>();
  for (const stage of stages) {
    const base = left.get(stage.base.toLowerCase());
    const known = base ? base.environment : environmentOf(stage);
    const state: Left = {
      environment: known && [...known],
      arguments: scope.stage(base?.arguments),
      hasWorkdir: base?.hasWorkdir ?? false,
    };
    for (const instruction of stage.instructions) {
      found.push(...step(instruction, state, escape, ignored));
    }
    if (stage.name !== '') left.set(stage.name, state);
  }
  return found;
}

function step(
  instruction: Instruction,
  state: Left,
  escape: Dockerfile['escape'],
  ignored: IgnorePatterns | undefined,
): Finding[] {
  const found = [...secretsIn(instruction), ...workdirs(instruction, state)];
  const watched = new WatchedVariables(state.arguments.variables(state.environment));
  const expanded = expandedOr(instruction, watched, escape);
  found.push(...ignoredSources(expanded, ignored));
  const { declared } = state.arguments;
  // Where the base is not here, anything may be set by it.
  for (const name of state.environment ? watched.missing : []) {
    if (declared.has(name)) continue;
    const detail = `Usage of undefined variable '$${name}'${didYouMean(name, watched.keys(), '$')}`;
    found.push(finding(instruction.origin, 'UndefinedVar', detail));
  }
  if (expanded.kind === 'arg') state.arguments.declare(expanded);
  if (expanded.kind === 'env')
    state.environment?.push(...expanded.pairs.map(([name, value]) => `${name}=${value}`));
  return found;
}

/** What cannot be read is what the build fails with: it is not said twice. */
function expandedOr(
  instruction: Instruction,
  variables: ReadonlyMap<string, string>,
  escape: Dockerfile['escape'],
): Instruction {
  try {
    return expandInstruction(instruction, variables, escape);
  } catch (error) {
    if (error instanceof SyntaxFailure) return instruction;
    throw error;
  }
}

function secretsIn(instruction: Instruction): Finding[] {
  const names =
    instruction.kind === 'arg'
      ? instruction.arguments.map(({ name }) => name)
      : instruction.kind === 'env'
        ? instruction.pairs.map(([name]) => name)
        : [];
  return names
    .filter((name) => SECRET.test(name) && !NO_SECRET.test(name))
    .map((name) => {
      const kind = instruction.kind.toUpperCase();
      const detail = `Do not use ARG or ENV instructions for sensitive data (${kind} "${name}")`;
      return finding(instruction.origin, 'SecretsUsedInArgOrEnv', detail);
    });
}

/** Only the first one: those after it stand on it. */
function workdirs(instruction: Instruction, state: Left): Finding[] {
  if (instruction.kind !== 'workdir' || state.hasWorkdir) return [];
  state.hasWorkdir = true;
  const { value, origin } = instruction;
  if (value.startsWith('/') || value.startsWith('$')) return [];
  const detail = `Relative workdir ${JSON.stringify(value)} can have unexpected results if the base image changes`;
  return [finding(origin, 'WorkdirRelativePath', detail)];
}
