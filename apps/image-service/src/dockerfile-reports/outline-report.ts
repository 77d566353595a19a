import type { ArgInstruction, Dockerfile, Origin, RunInstruction } from '../dockerfile/dockerfile';
import { parseRunMount } from '../dockerfile/run-mounts';
import { WatchedVariables } from './watched-variables';
import { expandWord } from '../dockerfile/variables';
import { descriptionOf, locationOf, type Report, reportOf, type Source, table } from './report';

export interface Outlined {
  /** The target, with the stages that it needs. In the order of the Dockerfile. */
  stages: Dockerfile['stages'];
  /** API `buildargs`. */
  arguments: Readonly<Record<string, string | null>>;
  /** What FROM sees. */
  variables: ReadonlyMap<string, string>;
}

interface Named {
  name: string;
  origin: Origin;
}

/** `frontend.outline`: what may be given to the build of a target. */
export function outlineReport(dockerfile: Dockerfile, outlined: Outlined, source: Source): Report {
  const target = outlined.stages.at(-1);
  const name = target?.name ?? '';
  const description = target ? descriptionOf(source, target.origin, name) : '';
  const args = argumentsOf(dockerfile, outlined).map(({ name: of, value, origin }) => {
    const text = descriptionOf(source, origin, of);
    return {
      name: of,
      ...(text && { description: text }),
      ...(value && { value }),
      location: locationOf(origin),
    };
  });
  const secrets = mountsOf(outlined, 'secret').map(described);
  const ssh = mountsOf(outlined, 'ssh').map(described);
  const document = {
    ...(name && { name }),
    ...(description && { description }),
    ...(args.length > 0 && { args }),
    ...(secrets.length > 0 && { secrets }),
    ...(ssh.length > 0 && { ssh }),
    sources: [Buffer.from(source.text).toString('base64')],
  };
  const parts = [
    name || description
      ? table([['TARGET:', name || '(default)'], ...(description ? [['DESCRIPTION:', description]] : [])], 1)
      : '',
    args.length > 0
      ? table(
          [
            ['BUILD ARG', 'VALUE', 'DESCRIPTION'],
            ...args.map((one) => [one.name, one.value ?? '', one.description ?? '']),
          ],
          3,
        )
      : '',
    mountTable('SECRET', secrets),
    mountTable('SSH', ssh),
  ];
  return reportOf(
    document,
    parts
      .filter(Boolean)
      .map((part) => `${part}\n`)
      .join(''),
  );
}

interface Argument extends Named {
  value: string;
}

/** ARGs of the stages, and those before the first FROM that the stages use. */
function argumentsOf(
  { globals, escape }: Dockerfile,
  { stages, arguments: given, variables }: Outlined,
): Argument[] {
  const watched = new WatchedVariables(variables);
  for (const { base, platform } of stages) expandWord(`${base} ${platform}`, { variables: watched, escape });
  const declared = new Set(
    stages.flatMap(argumentsIn).flatMap((one) => one.arguments.map(({ name }) => name)),
  );
  const isUsed = (name: string) => watched.found.has(name) || declared.has(name);
  const found = new Map<string, Argument>();
  const nearestFirst = stages.toReversed().flatMap(argumentsIn);
  for (const instruction of [...nearestFirst, ...globals]) {
    const isGlobal = globals.includes(instruction);
    for (const { name, value } of instruction.arguments) {
      if (found.has(name) || (isGlobal && !isUsed(name))) continue;
      const own = value === undefined ? undefined : expandWord(value, { variables, escape });
      // What is known from before the first FROM is told where it stands.
      if (own === undefined && !isGlobal && variables.has(name) && !(name in given)) continue;
      found.set(name, { name, value: given[name] ?? own ?? '', origin: instruction.origin });
    }
  }
  return [...found.values()].sort((a, b) => a.origin.line - b.origin.line);
}

const argumentsIn = ({ instructions }: Dockerfile['stages'][number]): ArgInstruction[] =>
  instructions.filter((one): one is ArgInstruction => one.kind === 'arg');

interface Mounted extends Named {
  required: boolean;
}

function mountsOf({ stages, variables }: Outlined, type: 'secret' | 'ssh'): Mounted[] {
  const found = new Map<string, Mounted>();
  for (const { instructions } of stages) {
    for (const { mounts, origin } of instructions.filter(
      (one): one is RunInstruction => one.kind === 'run',
    )) {
      for (const text of mounts) {
        const expand = (word: string) => expandWord(word, { variables, escape: '\\' });
        const mount = parseRunMount(text, expand);
        const name = mount.id || (type === 'ssh' ? 'default' : mount.target.replace(/^.*\//, ''));
        if (mount.type === type && !found.has(name)) {
          found.set(name, { name, required: mount.required, origin });
        }
      }
    }
  }
  return [...found.values()];
}

const described = ({ name, required, origin }: Mounted) => ({
  name,
  ...(required && { required }),
  location: locationOf(origin),
});

function mountTable(title: string, rows: { name: string; required?: boolean }[]): string {
  if (rows.length === 0) return '';
  return table([[title, 'REQUIRED'], ...rows.map(({ name, required }) => [name, required ? 'true' : ''])], 3);
}
