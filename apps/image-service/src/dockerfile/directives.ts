import { type CheckOptions, parseCheckOptions } from './check-options';
import type { EscapeToken } from './dockerfile';
import { SyntaxFailure } from './parse-failure';

/** The parser directives of a Dockerfile. */
export interface Directives {
  escape: EscapeToken;
  checks: CheckOptions;
  /** How many lines they take. */
  lines: number;
}

const DIRECTIVE = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const KNOWN = new Set(['escape', 'syntax', 'check']);
/** What `# syntax=` may ask for: we speak the language of these ourselves, and run no other front end. */
const OFFICIAL_FRONTEND =
  /^(?:docker\.io\/|registry-1\.docker\.io\/|index\.docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::[\w][\w.-]*)?(?:@sha256:[0-9a-f]{64})?$/;

/**
 * Reads the directives at the top of a Dockerfile; `fail` makes the error of a line, counted from 1.
 * @throws what `fail` returns for a directive that is there twice or has a value we do not take.
 */
export function readDirectives(
  lines: readonly string[],
  fail: (line: number, cause: SyntaxFailure) => Error,
): Directives {
  // A file may say which program builds it; directives follow.
  const first = lines[0]?.startsWith('#!') ? 1 : 0;
  const seen = new Set<string>();
  let escape: EscapeToken = '\\';
  let checks = parseCheckOptions('');
  let at = first;
  for (; at < lines.length; at++) {
    const [, key = '', value = ''] = DIRECTIVE.exec((lines[at] ?? '').trimStart()) ?? [];
    const name = key.toLowerCase();
    if (!KNOWN.has(name)) break;
    try {
      if (seen.has(name)) throw new SyntaxFailure(`only one ${name} parser directive can be used`);
      seen.add(name);
      if (name === 'escape') escape = escapeToken(value);
      else if (name === 'syntax') checkSyntax(value);
      else checks = parseCheckOptions(value);
    } catch (error) {
      throw fail(at + 1, error as SyntaxFailure);
    }
  }
  return { escape, checks, lines: at };
}

function escapeToken(value: string): EscapeToken {
  if (value === '\\' || value === '`') return value;
  throw new SyntaxFailure(`invalid escape token '${value}' does not match \` or \\`);
}

function checkSyntax(value: string): void {
  const reference = value.split(/\s/, 1)[0] ?? '';
  if (OFFICIAL_FRONTEND.test(reference)) return;
  throw new SyntaxFailure(`unsupported frontend ${reference}: expected docker/dockerfile`);
}
