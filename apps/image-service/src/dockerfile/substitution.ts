import { SyntaxFailure } from './parse-failure';

interface Matching {
  /** Whether `*` takes as much as it can. */
  greedy: boolean;
  /** Only at the beginning. */
  anchored: boolean;
}

/** A shell pattern of `*`, `?` and escapes, without brackets, as dockerd takes it. @throws SyntaxFailure */
function patternToRegExp(pattern: string, { greedy, anchored }: Matching): RegExp {
  let source = anchored ? '^' : '';
  const chars = [...pattern];
  for (let at = 0; at < chars.length; at++) {
    let char = chars[at] ?? '';
    if (char === '*') source += greedy ? '.*' : '.*?';
    else if (char === '?') source += '.';
    else {
      if (char === '\\') {
        const following = chars[++at] ?? '';
        if (following !== '}' && following !== '/' && !['*', '?', '\\'].includes(following)) {
          throw new SyntaxFailure(
            `invalid pattern (${pattern}) in substitution: invalid escape '\\${following}'`,
          );
        }
        char = following;
      }
      source += char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    }
  }
  return new RegExp(source, 'u');
}

/** `${value#word}`, and `##` for the longest match. */
export function trimPrefix(word: string, value: string): string {
  const greedy = word.startsWith('#');
  return withoutBeginning(value, greedy ? word.slice(1) : word, greedy);
}

/** `${value%word}`, and `%%`: the same from the end. */
export function trimSuffix(word: string, value: string): string {
  const greedy = word.startsWith('%');
  const backwards = reversePattern(greedy ? word.slice(1) : word);
  return reverse(withoutBeginning(reverse(value), backwards, greedy));
}

function withoutBeginning(value: string, pattern: string, greedy: boolean): string {
  const found = patternToRegExp(pattern, { greedy, anchored: true }).exec(value);
  return found ? value.slice(found[0].length) : value;
}

/** `${value/pattern/text}`; `all`: `//`. */
export function replaceMatches(value: string, pattern: string, text: string, all: boolean): string {
  const expression = patternToRegExp(pattern, { greedy: true, anchored: false });
  return value.replace(all ? new RegExp(expression, 'gu') : expression, () => text);
}

const reverse = (text: string): string => [...text].reverse().join('');

/** Escapes stay before what they escape. */
function reversePattern(pattern: string): string {
  return (pattern.match(/\\.|./gsu) ?? []).reverse().join('');
}
