import type { IgnorePatterns } from '../context/ignore-patterns';
import { BuildArguments } from '../dockerfile/build-arguments';
import type { Dockerfile } from '../dockerfile/dockerfile';
import type { Platform } from '../images/image-config';
import type { CheckOptions } from '../dockerfile/check-options';
import type { Finding } from './check-rules';
import { checkSpelling } from './spelling-checks';
import { checkStages } from './stage-checks';
import { checkVariables, type EnvironmentOf } from './variable-checks';

export interface CheckedBuild {
  options: CheckOptions;
  /** API `buildargs`. */
  arguments: Readonly<Record<string, string | null>>;
  platforms: { build: Platform; target: Platform };
  environmentOf: EnvironmentOf;
  /** What is left out of the context; undefined: nobody knows. */
  ignored?: IgnorePatterns;
}

/** What BuildKit's rules do not like in a Dockerfile, in the order of its lines. */
export function checkDockerfile(dockerfile: Dockerfile, build: CheckedBuild): Finding[] {
  const { options, platforms, environmentOf, ignored } = build;
  if (options.skipAll) return [];
  const given = globalsOf(
    dockerfile,
    new BuildArguments(new Map(Object.entries(build.arguments)), platforms),
  );
  const defaults = globalsOf(dockerfile, new BuildArguments(new Map(), platforms));
  return [
    ...checkSpelling(dockerfile),
    ...checkStages(dockerfile, { given: given.forBase, defaults: defaults.forBase }),
    ...checkVariables(dockerfile, given, { environmentOf, ignored }),
  ]
    .filter(({ rule }) => !options.skip.includes(rule))
    .sort((a, b) => a.line - b.line);
}

function globalsOf({ globals, escape }: Dockerfile, scope: BuildArguments): BuildArguments {
  for (const one of globals) scope.declareGlobal(one, escape);
  return scope;
}
