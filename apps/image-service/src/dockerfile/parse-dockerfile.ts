import { invalidArgument } from '@gantry/shared/errors';
import { readDirectives } from './directives';
import type { Dockerfile, EscapeToken, Instruction, Origin, Stage } from './dockerfile';
import { readFlags, splitFlags } from './instruction-flags';
import { type LogicalLine, logicalLines, physicalLines } from './logical-lines';
import { parseFailure, SyntaxFailure } from './parse-failure';
import { INSTRUCTIONS, type Request } from './parse-instruction';

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

/**
 * Takes a Dockerfile apart. `file`: its name, for errors.
 * @throws InvalidArgument with the line and what is wrong there
 */
export function parseDockerfile(text: string, file = 'Dockerfile'): Dockerfile {
  if (text === '') throw invalidArgument(`the Dockerfile (${file}) cannot be empty`);
  const lines = physicalLines(text);
  const { escape, checks, lines: skip } = readDirectives(lines, parseFailure);
  const logical = logicalLines(lines, { escape, skip }, parseFailure);
  if (logical.length === 0) throw invalidArgument(`failed to parse ${file}: file with no instructions`);
  const dockerfile: Dockerfile = { escape, checks, globals: [], stages: [], continuations: [] };
  for (const line of logical) {
    try {
      addLine(dockerfile, line);
    } catch (error) {
      throw error instanceof SyntaxFailure ? parseFailure(line.line, error) : error;
    }
  }
  if (dockerfile.stages.length === 0) {
    throw invalidArgument(`failed to parse ${file}: no build stage in current context: expected FROM`);
  }
  return dockerfile;
}

/** A trigger of ONBUILD as it stands in an image. @throws SyntaxFailure */
export function parseTrigger(text: string): Instruction {
  const [instruction, ...more] = parseChanges(text, () => undefined);
  if (!instruction || more.length > 0) throw new SyntaxFailure(`expected one instruction: ${text}`);
  return instruction;
}

/** Instructions without a FROM. `check` is asked for each, by its name as written, before it is read. @throws SyntaxFailure */
export function parseChanges(text: string, check: (name: string) => void): Instruction[] {
  const escape = '\\';
  const lines = logicalLines(physicalLines(text), { escape, skip: 0 }, (_, cause) => cause);
  for (const line of lines) check(/^\S+/.exec(line.text)?.[0] ?? '');
  return lines.map((line) => instructionOf(requestOf(line, escape)));
}

function addLine(dockerfile: Dockerfile, line: LogicalLine): void {
  const request = requestOf(line, dockerfile.escape);
  if (line.emptyContinuation) dockerfile.continuations.push(request.origin);
  if (request.name === 'FROM') {
    dockerfile.stages.push(stageOf(request));
    return;
  }
  const instruction = instructionOf(request);
  const stage = dockerfile.stages.at(-1);
  if (stage) stage.instructions.push(instruction);
  else if (instruction.kind === 'arg') dockerfile.globals.push(instruction);
  else throw new SyntaxFailure('no build stage in current context');
}

function requestOf({ line, endLine, text, documents }: LogicalLine, escape: EscapeToken): Request {
  const [, name = '', after = ''] = /^(\S+)(?:[\t\v\f\r ]+([\s\S]*))?$/.exec(text) ?? [];
  const { flags, rest } = splitFlags(after);
  const origin: Origin = { line, endLine, text };
  return { name: name.toUpperCase(), flags, text: rest, documents, escape, origin };
}

function instructionOf(request: Request): Instruction {
  const parse = Object.hasOwn(INSTRUCTIONS, request.name) ? INSTRUCTIONS[request.name] : undefined;
  if (!parse) throw new SyntaxFailure(`unknown instruction: ${request.name}`);
  return parse(request);
}

function stageOf({ flags, text, origin }: Request): Stage {
  const words = text === '' ? [] : text.split(/\s+/);
  const [base = '', as, written = ''] = words;
  if (words.length !== 1 && !(words.length === 3 && as?.toUpperCase() === 'AS')) {
    throw new SyntaxFailure('FROM requires either one or three arguments');
  }
  const name = written.toLowerCase();
  if (words.length === 3 && !STAGE_NAME.test(name)) {
    throw new SyntaxFailure(
      `invalid name for build stage: ${JSON.stringify(written)}, name can't start with a number or contain symbols`,
    );
  }
  const { text: flag } = readFlags(flags, { platform: 'text' });
  return { name, base, platform: flag('platform'), origin, instructions: [] };
}
