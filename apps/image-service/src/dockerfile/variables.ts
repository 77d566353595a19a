import { messageOf } from '@gantry/shared/errors';
import type { EscapeToken } from './dockerfile';
import { SyntaxFailure } from './parse-failure';
import { replaceMatches, trimPrefix, trimSuffix } from './substitution';

export interface Expansion {
  variables: ReadonlyMap<string, string>;
  escape: EscapeToken;
  /** Keep quotes, escapes, or variables that are not set, as they are written. */
  keepQuotes?: boolean;
  keepEscapes?: boolean;
  keepUnset?: boolean;
  /** Quotes are characters like others, as in a here-document. */
  plainQuotes?: boolean;
}

/**
 * Takes quotes and escapes away and puts variables in, the way the Dockerfile reference describes it ("Environment replacement").
 * @throws SyntaxFailure as dockerd words it
 */
export function expandWord(word: string, expansion: Expansion): string {
  return expandText(word, expansion).text;
}

/** The same, split at blanks that are not quoted; blanks out of a variable split too. */
export function expandWords(text: string, expansion: Expansion): string[] {
  return expandText(text, expansion).words;
}

interface Expanded {
  text: string;
  words: string[];
}

function expandText(text: string, expansion: Expansion): Expanded {
  try {
    return new WordReader(text, expansion).read();
  } catch (error) {
    throw new SyntaxFailure(`failed to process ${JSON.stringify(text)}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const isBlank = (text: string): boolean => /^\s$/u.test(text);
const SPECIAL_PARAMETER = /^[@*#?\-$!0]$/;

/** Collects the text, and the same as words. */
class Collected implements Expanded {
  text = '';
  readonly words: string[] = [];
  private word = '';

  /** Blanks of it split words only where they are not `quoted`. */
  add(text: string, quoted: boolean): void {
    this.text += text;
    if (quoted) {
      this.word += text;
      return;
    }
    for (const char of text) {
      if (isBlank(char)) this.endWord();
      else this.word += char;
    }
  }

  endWord(): void {
    if (this.word !== '') this.words.push(this.word);
    this.word = '';
  }
}

class WordReader {
  private readonly chars: string[];
  private at = 0;
  private keepEscapes: boolean;

  constructor(
    text: string,
    private readonly expansion: Expansion,
  ) {
    this.chars = [...text];
    this.keepEscapes = expansion.keepEscapes ?? false;
  }

  read(): Expanded {
    return this.readUntil(undefined);
  }

  private get peek(): string | undefined {
    return this.chars[this.at];
  }

  private next(): string | undefined {
    return this.chars[this.at++];
  }

  private readUntil(stop: string | undefined): Expanded {
    const collected = new Collected();
    for (let char = this.peek; char !== undefined; char = this.peek) {
      if (char === stop) {
        this.next();
        collected.endWord();
        return collected;
      }
      if (char === '$') collected.add(this.variable(), false);
      else if (char === "'" && !this.expansion.plainQuotes) collected.add(this.singleQuoted(), true);
      else if (char === '"' && !this.expansion.plainQuotes) collected.add(this.doubleQuoted(), true);
      else if (char === this.expansion.escape) this.escaped(collected);
      else if (char === '<' && this.chars[this.at + 1] === '<') this.hereDocumentMark(collected);
      else collected.add(this.next() ?? '', false);
    }
    if (stop !== undefined) {
      throw new SyntaxFailure(`unexpected end of statement while looking for matching ${stop}`);
    }
    collected.endWord();
    return collected;
  }

  private escaped(collected: Collected): void {
    const token = this.next() ?? '';
    if (this.keepEscapes) collected.add(token, true);
    const char = this.next();
    if (char !== undefined) collected.add(char, true);
  }

  /** `<< EOF`: blanks between do not split it. */
  private hereDocumentMark(collected: Collected): void {
    collected.add('<<', true);
    this.at += 2;
    if (this.peek === '-') collected.add(this.next() ?? '', true);
    while (this.peek !== undefined && isBlank(this.peek)) collected.add(this.next() ?? '', true);
  }

  private singleQuoted(): string {
    const end = this.chars.indexOf("'", this.at + 1);
    if (end < 0) {
      throw new SyntaxFailure('unexpected end of statement while looking for matching single-quote');
    }
    const inner = this.chars.slice(this.at + 1, end).join('');
    this.at = end + 1;
    return this.expansion.keepQuotes ? `'${inner}'` : inner;
  }

  private doubleQuoted(): string {
    const { escape, keepQuotes } = this.expansion;
    this.next();
    let result = '';
    for (let char = this.peek; char !== undefined; char = this.peek) {
      if (char === '$') {
        result += this.variable();
        continue;
      }
      this.next();
      if (char === '"') return keepQuotes ? `"${result}"` : result;
      if (char === escape) {
        if (this.keepEscapes) result += char;
        const following = this.peek;
        if (following === undefined) break;
        if (following === '"' || following === '$' || following === escape) char = this.next() ?? '';
      }
      result += char;
    }
    throw new SyntaxFailure('unexpected end of statement while looking for matching double-quote');
  }

  private variable(): string {
    this.next();
    if (this.peek !== '{') {
      const name = this.name();
      if (name === '') return '$';
      return this.expansion.variables.get(name) ?? (this.expansion.keepUnset ? `$${name}` : '');
    }
    this.next();
    if (this.peek === undefined) throw new SyntaxFailure("syntax error: missing '}'");
    if (['{', '}', ':'].includes(this.peek)) throw new SyntaxFailure('syntax error: bad substitution');
    const name = this.name();
    return this.substituted(name, this.next());
  }

  private substituted(name: string, first: string | undefined): string {
    const value = this.expansion.variables.get(name);
    const kept = value === undefined && this.expansion.keepUnset;
    if (first === undefined) throw new SyntaxFailure("syntax error: missing '}'");
    if (first === '}') return kept ? `\${${name}}` : (value ?? '');
    if (first === '/') return this.replaced(name, value, kept);
    const emptyIsUnset = first === ':';
    const operator = emptyIsUnset ? this.next() : first;
    const modifier = `${emptyIsUnset ? ':' : ''}${operator ?? ''}`;
    if (operator === undefined || !'+-?#%'.includes(operator)) {
      throw new SyntaxFailure(`unsupported modifier (${modifier}) in substitution`);
    }
    const word = this.braced('}', operator === '#' || operator === '%', "'}'");
    if (kept) return `\${${name}${modifier}${word}}`;
    const isSet = value !== undefined && !(emptyIsUnset && value === '');
    switch (operator) {
      case '-':
        return isSet ? value : word;
      case '+':
        return isSet ? word : '';
      case '?':
        if (isSet) return value;
        throw new SyntaxFailure(
          `${name}: ${word || `is not allowed to be ${value === undefined ? 'unset' : 'empty'}`}`,
        );
      case '#':
        return trimPrefix(word, value ?? '');
      default:
        return trimSuffix(word, value ?? '');
    }
  }

  /** `${name/pattern/text}` and `${name//pattern/text}`. */
  private replaced(name: string, value: string | undefined, kept: boolean | undefined): string {
    const all = this.peek === '/';
    if (all) this.next();
    const pattern = this.braced('/', true, "'/' in ${}");
    const text = this.braced('}', true, "'}'");
    if (kept) return `\${${name}/${pattern}/${text}}`;
    return replaceMatches(value ?? '', pattern, text, all);
  }

  private braced(stop: string, keepEscapes: boolean, missing: string): string {
    const before = this.keepEscapes;
    this.keepEscapes = keepEscapes;
    try {
      return this.readUntil(stop).text;
    } catch (error) {
      if (this.peek === undefined) throw new SyntaxFailure(`syntax error: missing ${missing}`);
      throw error;
    } finally {
      this.keepEscapes = before;
    }
  }

  /** Digits, one special parameter, or letters, digits and underscores. */
  private name(): string {
    const rest = this.chars.slice(this.at).join('');
    const first = this.peek ?? '';
    const name = /^\p{Nd}/u.test(first)
      ? (/^\p{Nd}+/u.exec(rest)?.[0] ?? '')
      : SPECIAL_PARAMETER.test(first)
        ? first
        : (/^[\p{L}\p{Nd}_]*/u.exec(rest)?.[0] ?? '');
    this.at += [...name].length;
    return name;
  }
}
