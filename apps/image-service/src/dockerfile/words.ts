import type { EscapeToken } from './dockerfile';
import { SyntaxFailure } from './parse-failure';

/** Words at blanks; quotes and escapes stay, for {@link expandWord}. */
export function splitWords(text: string, escape: EscapeToken): string[] {
  const words: string[] = [];
  const chars = [...text];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at] ?? '';
    if (char === escape && quote !== "'") {
      const following = chars[++at];
      // One that is the last character is not there.
      if (following !== undefined) word = (word ?? '') + char + following;
    } else if (quote === '' && /\s/u.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      if (quote === char) quote = '';
      else if (quote === '' && (char === '"' || char === "'")) quote = char;
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}

/**
 * `["a", "b"]`, or undefined for what is no JSON list.
 * @throws SyntaxFailure for a list of other things than strings
 */
export function jsonList(text: string): string[] | undefined {
  if (!text.trimStart().startsWith('[')) return undefined;
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  if (list.every((item) => typeof item === 'string')) return list;
  throw new SyntaxFailure('when using JSON array syntax, arrays must be comprised of strings only');
}
