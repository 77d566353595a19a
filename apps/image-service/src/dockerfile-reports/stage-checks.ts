import type { Dockerfile, Stage } from '../dockerfile/dockerfile';
import { expandWord } from '../dockerfile/variables';
import { parsePlatform } from '../images/image-config';
import { parseNamed } from '../references/reference';
import type { Finding } from './check-rules';
import { didYouMean } from './did-you-mean';
import { finding, nameOf } from './spelling-checks';
import { WatchedVariables } from './watched-variables';

const RESERVED = ['context', 'scratch'];
const TARGET_PLATFORM = 'TARGETPLATFORM';

/** What FROM sees, by whether the client's build arguments count. */
export interface BaseVariables {
  given: ReadonlyMap<string, string>;
  defaults: ReadonlyMap<string, string>;
}

/** Names of stages, and what they are built on. */
export function checkStages({ stages, globals, escape }: Dockerfile, variables: BaseVariables): Finding[] {
  const declared = globals.flatMap((one) => one.arguments.map(({ name }) => name));
  const names = new Set<string>();
  return stages.flatMap((stage) => {
    const found = [...nameChecks(stage, names), ...baseChecks(stage, declared, variables, escape)];
    names.add(stage.name);
    return [...found, ...platformChecks(stage, variables.given, escape)];
  });
}

function nameChecks({ origin, name }: Stage, before: ReadonlySet<string>): Finding[] {
  if (name === '') return [];
  const found: Finding[] = [];
  const [as = '', written = ''] = origin.text.split(/\s+/).slice(-2);
  const from = nameOf(origin);
  if (written !== name) {
    found.push(finding(origin, 'StageNameCasing', `Stage name '${written}' should be lowercase`));
  }
  const isMixed = from !== from.toLowerCase() && from !== from.toUpperCase();
  const wanted = from === from.toLowerCase() ? as.toLowerCase() : as.toUpperCase();
  if (!isMixed && as !== wanted) {
    found.push(finding(origin, 'FromAsCasing', `'${as}' and '${from}' keywords' casing do not match`));
  }
  if (RESERVED.includes(name)) {
    const detail = `Stage name should not use the same name as reserved stage "${name}"`;
    found.push(finding(origin, 'ReservedStageName', detail));
  }
  if (before.has(name)) {
    const detail = `Duplicate stage name "${name}", stage names should be unique`;
    found.push(finding(origin, 'DuplicateStageName', detail));
  }
  return found;
}

function baseChecks(
  { origin, base }: Stage,
  declared: string[],
  { given, defaults }: BaseVariables,
  escape: Dockerfile['escape'],
): Finding[] {
  const found: Finding[] = [];
  const watched = new WatchedVariables(given);
  expandWord(base, { variables: watched, escape });
  for (const name of watched.missing) {
    if (declared.includes(name)) continue;
    const detail = `FROM argument '${name}' is not declared${didYouMean(name, declared, '')}`;
    found.push(finding(origin, 'UndefinedArgInFrom', detail));
  }
  if (!isReference(expandWord(base, { variables: defaults, escape }))) {
    const detail = `Default value for ARG ${base} results in empty or invalid base image name`;
    found.push(finding(origin, 'InvalidDefaultArgInFrom', detail));
  }
  return found;
}

function isReference(text: string): boolean {
  try {
    parseNamed(text);
    return true;
  } catch {
    return false;
  }
}

function platformChecks(
  { origin, platform, name }: Stage,
  variables: ReadonlyMap<string, string>,
  escape: Dockerfile['escape'],
): Finding[] {
  if (platform === '') return [];
  const watched = new WatchedVariables(variables);
  const expanded = expandWord(platform, { variables: watched, escape });
  const [first] = watched.found;
  if (watched.found.size === 1 && watched.missing.size === 0 && first === TARGET_PLATFORM) {
    if (expanded !== variables.get(TARGET_PLATFORM)) return [];
    const detail = `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`;
    return [finding(origin, 'RedundantTargetPlatform', detail)];
  }
  if (watched.found.size + watched.missing.size > 0 || isNamedFor(name, expanded)) return [];
  const detail = `FROM --platform flag should not use constant value "${expanded}"`;
  return [finding(origin, 'FromPlatformFlagConstDisallowed', detail)];
}

/** A stage that is called by its platform is meant to have it; what is no platform is refused later. */
function isNamedFor(name: string, text: string): boolean {
  try {
    const { os, architecture } = parsePlatform(text);
    return name.includes(os) || name.includes(architecture);
  } catch {
    return true;
  }
}
