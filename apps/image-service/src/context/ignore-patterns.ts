import { posix } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';

interface Pattern {
  /** `!`: takes back what earlier patterns matched. */
  isException: boolean;
  expression: RegExp;
}

/** The patterns of a `.dockerignore` or of `--exclude` (Docker docs, "Dockerignore file"): the last that matches decides. */
export class IgnorePatterns {
  private readonly patterns: Pattern[];

  /** @throws InvalidArgument as dockerd words it */
  constructor(patterns: readonly string[]) {
    this.patterns = patterns.flatMap((text) => compiled(text) ?? []);
  }

  /** The lines of a `.dockerignore`. */
  static ofFile(text: string): IgnorePatterns {
    const lines = text
      .replace(/^\ufeff/, '')
      .split('\n')
      .filter((line) => !line.startsWith('#'));
    return new IgnorePatterns(lines);
  }

  get isEmpty(): boolean {
    return this.patterns.length === 0;
  }

  get hasExceptions(): boolean {
    return this.patterns.some(({ isException }) => isException);
  }

  /** Whether the path or a directory above it is matched; relative to the context, without dots. */
  matches(path: string): boolean {
    const names = path.split('/');
    const paths = names.map((_, index) => names.slice(0, index + 1).join('/')).reverse();
    let matched = false;
    for (const { isException, expression } of this.patterns) {
      if (isException === matched && paths.some((one) => expression.test(one))) matched = !isException;
    }
    return matched;
  }
}

function compiled(text: string): Pattern | undefined {
  const line = text.trim();
  if (line === '') return undefined;
  const isException = line.startsWith('!');
  const written = isException ? line.slice(1).trim() : line;
  if (written === '') throw invalidArgument('illegal exclusion pattern: "!"');
  const clean = posix.normalize(written).replace(/(?<=.)\/$/, '');
  const relative = clean.length > 1 ? clean.replace(/^\//, '') : clean;
  return { isException, expression: pathExpression(relative) };
}

/**
 * `*` and `?` within a name, `**` across names, `[a-z]`, escapes; the whole path has to match.
 * @throws InvalidArgument for brackets that do not end
 */
export function pathExpression(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? '';
    if (char === '*' && pattern[at + 1] === '*') {
      at++;
      if (pattern[at + 1] === '/') at++;
      source += at + 1 >= pattern.length ? '.*' : '(?:.*/)?';
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = pattern.indexOf(']', at + 2);
      if (end < 0) throw invalidArgument('syntax error in pattern');
      source += `[${pattern.slice(at + 1, end).replace(/[\\[\]]/g, '\\$&')}]`;
      at = end;
    } else {
      const literal = char === '\\' ? pattern[++at] : char;
      if (literal === undefined) throw invalidArgument('syntax error in pattern');
      source += literal.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    }
  }
  return new RegExp(`^${source}$`, 'su');
}
