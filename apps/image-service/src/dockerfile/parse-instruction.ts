import type {
  AddInstruction,
  ArgInstruction,
  CommandLine,
  CopyInstruction,
  EscapeToken,
  HereDocument,
  Instruction,
  Origin,
  PairsInstruction,
  RunInstruction,
} from './dockerfile';
import { healthOf } from './health-check';
import { hereDocumentOf } from './here-documents';
import { type FlagKind, readFlags } from './instruction-flags';
import { SyntaxFailure } from './parse-failure';
import { checkMount } from './run-mounts';
import { jsonList, splitWords } from './words';

/** An instruction taken apart as far as all of them are alike. */
export interface Request {
  /** Upper case. */
  name: string;
  flags: string[];
  /** After the flags, blanks around it gone. */
  text: string;
  documents: HereDocument[];
  escape: EscapeToken;
  origin: Origin;
}

type Parse = (request: Request) => Instruction;

/** Every instruction but FROM. @throws SyntaxFailure as dockerd words it */
export const INSTRUCTIONS: Readonly<Record<string, Parse>> = {
  ADD: (request) => transfer(request),
  ARG: (request) => argument(request),
  CMD: (request) => ({ kind: 'cmd', ...plain(request), command: commandLine(request.text) }),
  COPY: (request) => transfer(request),
  ENTRYPOINT: (request) => ({ kind: 'entrypoint', ...plain(request), command: commandLine(request.text) }),
  ENV: (request) => ({ kind: 'env', ...plain(request), pairs: pairs(request) }),
  EXPOSE: (request) => ({ kind: 'expose', ...plain(request), values: [...list(request)].sort() }),
  HEALTHCHECK: (request) => ({ kind: 'healthcheck', origin: request.origin, health: healthOf(request) }),
  LABEL: (request) => ({ kind: 'label', ...plain(request), pairs: pairs(request) }),
  MAINTAINER: (request) => ({ kind: 'maintainer', ...plain(request), value: single(request) }),
  ONBUILD: (request) => ({ kind: 'onbuild', ...plain(request), trigger: trigger(request) }),
  RUN: (request) => run(request),
  SHELL: (request) => ({ kind: 'shell', ...plain(request), values: shell(request) }),
  STOPSIGNAL: (request) => ({ kind: 'stopsignal', ...plain(request), value: single(request) }),
  USER: (request) => ({ kind: 'user', ...plain(request), value: single(request) }),
  VOLUME: (request) => ({ kind: 'volume', ...plain(request), values: volumes(request) }),
  WORKDIR: (request) => ({ kind: 'workdir', ...plain(request), value: single(request) }),
};

/** For an instruction that has no flags. */
function plain({ flags, origin }: Request): { origin: Origin } {
  readFlags(flags, {});
  return { origin };
}

const needsOne = (name: string) => new SyntaxFailure(`${name} requires at least one argument`);

function single({ name, text }: Request): string {
  if (text === '') throw new SyntaxFailure(`${name} requires exactly one argument`);
  return text;
}

const blankSplit = (text: string): string[] => (text === '' ? [] : text.split(/[\t\v\f\r ]+/));

/** A JSON list or words, at least one. */
function list({ name, text }: Request): string[] {
  const values = blankSplit(text);
  if (values.length === 0) throw needsOne(name);
  return values;
}

function commandLine(text: string, documents: HereDocument[] = []): CommandLine {
  const words = jsonList(text);
  if (words) return { form: 'exec', words, documents: [] };
  return { form: 'shell', words: text === '' ? [] : [text], documents };
}

function run({ flags, text, documents, origin }: Request): RunInstruction {
  const given = readFlags(flags, { mount: 'list', network: 'text', security: 'text', device: 'list' });
  const network = given.text('network') || 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host') {
    throw new SyntaxFailure(`unsupported network mode ${JSON.stringify(network)}`);
  }
  const security = given.text('security') || 'sandbox';
  if (security !== 'sandbox' && security !== 'insecure') {
    throw new SyntaxFailure(`security ${JSON.stringify(security)} is not valid`);
  }
  if (given.list('device').length > 0) throw new SyntaxFailure('RUN --device is not supported');
  const mounts = given.list('mount');
  mounts.forEach(checkMount);
  const command = commandLine(text, documents);
  return { kind: 'run', origin, command, mounts, network, security };
}

const TRANSFER_FLAGS: Record<string, FlagKind> = {
  chown: 'text',
  chmod: 'text',
  link: 'switch',
  exclude: 'list',
};
const COPY_FLAGS: Record<string, FlagKind> = { ...TRANSFER_FLAGS, from: 'text', parents: 'switch' };
const ADD_FLAGS: Record<string, FlagKind> = {
  ...TRANSFER_FLAGS,
  checksum: 'text',
  'keep-git-dir': 'switch',
  unpack: 'switch',
};

function transfer({ name, flags, text, documents, origin }: Request): CopyInstruction | AddInstruction {
  const words = jsonList(text) ?? blankSplit(text);
  const destination = words.pop();
  if (destination === undefined || words.length === 0) {
    throw new SyntaxFailure(
      `${name} requires at least two arguments, but only one was provided. Destination could not be determined`,
    );
  }
  const given = readFlags(flags, name === 'ADD' ? ADD_FLAGS : COPY_FLAGS);
  if (hereDocumentOf(destination)) {
    throw new SyntaxFailure(`${name} cannot accept a heredoc as a destination`);
  }
  const common = {
    origin,
    sources: words.filter((word) => !hereDocumentOf(word)),
    documents,
    destination,
    chown: given.text('chown'),
    chmod: given.text('chmod'),
    link: given.switch('link') ?? false,
    parents: given.switch('parents') ?? false,
    exclude: given.list('exclude'),
  };
  if (name === 'COPY') return { kind: 'copy', ...common, from: given.text('from') };
  return {
    kind: 'add',
    ...common,
    checksum: given.text('checksum'),
    keepGitDir: given.switch('keep-git-dir') ?? false,
    unpack: given.switch('unpack'),
  };
}

function argument({ flags, name, text, escape, origin }: Request): ArgInstruction {
  readFlags(flags, {});
  const words = splitWords(text, escape);
  if (words.length === 0) throw needsOne(name);
  return {
    kind: 'arg',
    origin,
    arguments: words.map((word) => {
      const equals = word.indexOf('=');
      if (equals === 0) throw new SyntaxFailure('ARG names can not be blank');
      if (equals < 0) return { name: word, value: undefined };
      return { name: word.slice(0, equals), value: word.slice(equals + 1) };
    }),
  };
}

/** `a=b c="d e"`, or the old `a the rest`. */
function pairs({ name, text, escape }: Request): PairsInstruction['pairs'] {
  const words = splitWords(text, escape);
  if (words.length === 0) throw needsOne(name);
  if (!words[0]?.includes('=')) {
    const [, key = '', value] = /^(\S+)[\t\v\f\r ]+([\s\S]*)$/.exec(text) ?? [];
    if (value === undefined) throw new SyntaxFailure(`${name} must have two arguments`);
    return [[key, value]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) {
      throw new SyntaxFailure(
        `Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`,
      );
    }
    if (equals === 0) throw new SyntaxFailure(`${name} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function volumes(request: Request): string[] {
  const values = (jsonList(request.text) ?? list(request)).map((value) => value.trim());
  if (values.length === 0) throw needsOne('VOLUME');
  if (values.includes('')) throw new SyntaxFailure('VOLUME specified can not be an empty string');
  return values;
}

function shell({ text }: Request): string[] {
  const values = jsonList(text);
  if (text === '' || values?.length === 0) throw needsOne('SHELL');
  if (!values) throw new SyntaxFailure('SHELL requires the arguments to be in JSON form');
  return values;
}

/** The instruction as the image keeps it, its here-documents with it. */
function trigger({ text, documents }: Request): string {
  const instruction = /^\S*/.exec(text)?.[0].toUpperCase() ?? '';
  if (instruction === '') throw needsOne('ONBUILD');
  if (instruction === 'ONBUILD') {
    throw new SyntaxFailure("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  }
  if (instruction === 'MAINTAINER' || instruction === 'FROM') {
    throw new SyntaxFailure(`${instruction} isn't allowed as an ONBUILD trigger`);
  }
  return documents.reduce((lines, { content, name }) => `${lines}\n${content}${name}`, text);
}
