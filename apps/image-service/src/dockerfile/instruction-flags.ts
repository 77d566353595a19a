import { SyntaxFailure } from './parse-failure';

/** `text`: given at most once; `list`: any number of times; `switch`: may stand without a value. */
export type FlagKind = 'text' | 'list' | 'switch';

export interface Flags {
  /** Empty where it is not given. */
  text(name: string): string;
  list(name: string): string[];
  /** undefined where it is not given. */
  switch(name: string): boolean | undefined;
}

/** Splits `--a=b --c rest of the line`. `--` ends the flags. */
export function splitFlags(text: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let rest = text.trimStart();
  while (rest.startsWith('--')) {
    const [word, length] = flagWord(rest);
    rest = rest.slice(length).trimStart();
    if (word === '--') break;
    flags.push(word);
  }
  return { flags, rest: rest.trim() };
}

/** The first word without its quotes and escapes, and how long it is in the text. */
function flagWord(text: string): [word: string, length: number] {
  let word = '';
  let quote = '';
  let at = 0;
  for (; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === '\\') word += text[++at] ?? '';
    else if (quote !== '') {
      if (char === quote) quote = '';
      else word += char;
    } else if (/\s/.test(char)) break;
    else if (char === '"' || char === "'") quote = char;
    else word += char;
  }
  return [word, at];
}

/** @throws SyntaxFailure for a flag that the instruction does not have, twice given, or without its value */
export function readFlags(flags: readonly string[], known: Record<string, FlagKind>): Flags {
  const values = new Map<string, string[]>();
  for (const flag of flags) {
    const equals = flag.indexOf('=');
    const name = equals < 0 ? flag.slice(2) : flag.slice(2, equals);
    const value = equals < 0 ? undefined : flag.slice(equals + 1);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!kind) throw new SyntaxFailure(`Unknown flag: ${name}`);
    const earlier = values.get(name);
    if (earlier && kind !== 'list') throw new SyntaxFailure(`Duplicate flag specified: ${name}`);
    values.set(name, [...(earlier ?? []), kind === 'switch' ? switchValue(name, value) : given(name, value)]);
  }
  return {
    text: (name) => values.get(name)?.[0] ?? '',
    list: (name) => values.get(name) ?? [],
    switch: (name) => {
      const value = values.get(name)?.[0];
      return value === undefined ? undefined : value === 'true';
    },
  };
}

function given(name: string, value: string | undefined): string {
  if (value === undefined) throw new SyntaxFailure(`Missing a value on flag: ${name}`);
  return value;
}

function switchValue(name: string, value: string | undefined): string {
  if (value === undefined) return 'true';
  if (value === '') throw new SyntaxFailure(`Missing a value on flag: ${name}`);
  const lower = value.toLowerCase();
  if (lower === 'true' || lower === 'false') return lower;
  throw new SyntaxFailure(`Expecting boolean value for flag ${name}, not: ${value}`);
}
