import { invalidArgument } from '@gantry/shared/errors';
import { applyInstruction } from '../dockerfile/apply-instruction';
import type { ConfigInstruction, Instruction } from '../dockerfile/dockerfile';
import { environmentOf } from '../dockerfile/environment';
import { expandInstruction } from '../dockerfile/expand-instruction';
import { parseChanges } from '../dockerfile/parse-dockerfile';
import type { RuntimeConfig } from '../images/image-config';

/** The Dockerfile instructions that commit and import take (Docker API, ContainerCommit `changes`). */
const ALLOWED = new Set([
  'CMD',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'HEALTHCHECK',
  'LABEL',
  'ONBUILD',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
]);

/** A copy of `config` with the instructions applied. @throws InvalidArgument as dockerd words it */
export function applyChanges(config: RuntimeConfig, changes: string[]): RuntimeConfig {
  const instructions = parseChanges(changes.join('\n'), (name) => {
    if (!ALLOWED.has(name.toUpperCase())) throw invalidArgument(`${name} is not a valid change command`);
  });
  let changed = structuredClone(config);
  let commandGiven = false;
  for (const instruction of instructions.filter(isConfigInstruction)) {
    const expanded = expandInstruction(instruction, environmentOf(changed.Env), '\\');
    changed = applyInstruction(changed, expanded, commandGiven).config;
    commandGiven ||= instruction.kind === 'cmd';
  }
  return changed;
}

/** True of all that are allowed above. */
function isConfigInstruction(instruction: Instruction): instruction is ConfigInstruction {
  return !['run', 'copy', 'add', 'arg'].includes(instruction.kind);
}
