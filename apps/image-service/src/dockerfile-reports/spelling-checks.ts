import type { CommandInstruction, Dockerfile, Instruction, Origin } from '../dockerfile/dockerfile';
import type { Finding, RuleName } from './check-rules';

/** The name of an instruction as it is written. */
export const nameOf = ({ text }: Origin): string => /^\S+/.exec(text)?.[0] ?? '';

export const finding = ({ line, endLine }: Origin, rule: RuleName, detail: string): Finding => ({
  rule,
  detail,
  line,
  endLine,
});

/** How instructions are written, each by itself or beside the others. */
export function checkSpelling({ globals, stages, continuations }: Dockerfile): Finding[] {
  const counted = stages.flatMap(({ origin, instructions }) => [
    origin,
    ...instructions.map((one) => one.origin),
  ]);
  return [
    ...continuations.map(({ endLine, text }) =>
      finding({ line: endLine, endLine, text }, 'NoEmptyContinuation', 'Empty continuation line'),
    ),
    ...casings(counted),
    ...[...globals, ...stages.flatMap(({ instructions }) => instructions)].flatMap(spellings),
    ...stages.flatMap(({ instructions }) => [...repeated(instructions), ...shellForms(instructions)]),
  ];
}

const isLower = (text: string): boolean => text === text.toLowerCase();
const isUpper = (text: string): boolean => text === text.toUpperCase();

function casings(origins: Origin[]): Finding[] {
  const names = origins.map(nameOf);
  const wantsLower = names.filter(isLower).length > names.filter(isUpper).length;
  const isFine = wantsLower ? isLower : isUpper;
  return origins
    .filter((origin) => !isFine(nameOf(origin)))
    .map((origin) =>
      finding(
        origin,
        'ConsistentInstructionCasing',
        `Command '${nameOf(origin)}' should match the case of the command majority (${wantsLower ? 'lowercase' : 'uppercase'})`,
      ),
    );
}

function spellings(instruction: Instruction): Finding[] {
  const { origin } = instruction;
  switch (instruction.kind) {
    case 'maintainer':
      return [
        finding(
          origin,
          'MaintainerDeprecated',
          'Maintainer instruction is deprecated in favor of using label',
        ),
      ];
    case 'env':
    case 'label':
      return isLegacyPair(origin) ? [legacyPair(origin)] : [];
    case 'expose':
      return instruction.values.flatMap((port) => ports(origin, port));
    default:
      return [];
  }
}

/** `ENV name value`: the first word has no `=`. */
const isLegacyPair = ({ text }: Origin): boolean => /^\S+\s+(?:"[^"]*"|'[^']*'|[^\s="'])+(?:\s|$)/.test(text);

function legacyPair(origin: Origin): Finding {
  const name = nameOf(origin);
  const detail = `"${name} key=value" should be used instead of legacy "${name} key value" format`;
  return finding(origin, 'LegacyKeyValueFormat', detail);
}

function ports(origin: Origin, port: string): Finding[] {
  const [, address = '', protocol = ''] = /^(.*?)(?:\/([^/]*))?$/.exec(port) ?? [];
  const found: Finding[] = [];
  if (!isLower(protocol)) {
    const detail = `Defined protocol '${port}' in EXPOSE instruction should be lowercase`;
    found.push(finding(origin, 'ExposeProtoCasing', detail));
  }
  if (address.replace(/\$\{[^}]*\}/g, '').includes(':')) {
    const detail = `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`;
    found.push(finding(origin, 'ExposeInvalidFormat', detail));
  }
  return found;
}

/** The last one counts: those before it are named. */
function repeated(instructions: Instruction[]): Finding[] {
  const kinds = ['cmd', 'entrypoint', 'healthcheck'];
  return kinds.flatMap((kind) => {
    const all = instructions.filter((instruction) => instruction.kind === kind);
    const last = all.at(-1);
    return all.slice(0, -1).map(({ origin }) => {
      const name = nameOf((last as Instruction).origin);
      const detail = `Multiple ${name} instructions should not be used in the same stage because only the last one will be used`;
      return finding(origin, 'MultipleInstructionsDisallowed', detail);
    });
  });
}

/** Whoever has chosen a shell means it. */
function shellForms(instructions: Instruction[]): Finding[] {
  const shell = instructions.findIndex(({ kind }) => kind === 'shell');
  const before = shell < 0 ? instructions : instructions.slice(0, shell);
  return before
    .filter((one): one is CommandInstruction => one.kind === 'cmd' || one.kind === 'entrypoint')
    .filter(({ command }) => command.form === 'shell')
    .map(({ origin }) => {
      const detail = `JSON arguments recommended for ${nameOf(origin)} to prevent unintended behavior related to OS signals`;
      return finding(origin, 'JSONArgsRecommended', detail);
    });
}
