/** The one problem that Docker tells without `invalid JSON: ` before it. */
export const TRAILING_CONTENT = 'unexpected content after JSON';

/** Go goes ten thousand deep. No document of the API is twenty deep, and whoever reads one here recurses. */
const MAX_DEPTH = 1_000;
const TOO_DEEP = "invalid character '[' exceeded max depth";

/** The same words where a text that is JSON is nested too deep. */
export function jsonDepthError(text: string): string | undefined {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') inString = !inString;
    else if (inString) at += character === '\\' ? 1 : 0;
    else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    if (depth > MAX_DEPTH) return TOO_DEEP;
  }
  return undefined;
}

/** What is wrong with a text that is no JSON, in the words of Go's encoding/json; `undefined` where nothing is. */
export function jsonSyntaxError(text: string): string | undefined {
  try {
    new Scanner(text).document();
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxProblem) return error.message;
    if (error instanceof RangeError) return TOO_DEEP;
    throw error;
  }
}

class SyntaxProblem extends Error {}

const SPACE = ' \t\r\n';
const DIGIT = /[0-9]/;
const HEX = /[0-9a-fA-F]/;

class Scanner {
  private at = 0;

  constructor(private readonly text: string) {}

  document(): void {
    this.value();
    this.space();
    if (this.at < this.text.length) throw new SyntaxProblem(TRAILING_CONTENT);
  }

  private value(): void {
    this.space();
    const first = this.peek();
    if (first === '{') this.nested(() => this.members());
    else if (first === '[') this.nested(() => this.elements());
    else if (first === '"') this.string();
    else if (first === '-' || DIGIT.test(first)) this.number();
    else if (first === 't') this.word('true');
    else if (first === 'f') this.word('false');
    else if (first === 'n') this.word('null');
    else this.fail('looking for beginning of value');
  }

  private nested(inside: () => void): void {
    this.at++;
    this.space();
    inside();
  }

  private members(): void {
    if (this.take('}')) return;
    for (;;) {
      if (this.peek() !== '"') this.fail('looking for beginning of object key string');
      this.string();
      this.space();
      if (!this.take(':')) this.fail('after object key');
      this.value();
      this.space();
      if (this.take('}')) return;
      if (!this.take(',')) this.fail('after object key:value pair');
      this.space();
    }
  }

  private elements(): void {
    if (this.take(']')) return;
    for (;;) {
      this.value();
      this.space();
      if (this.take(']')) return;
      if (!this.take(',')) this.fail('after array element');
    }
  }

  private string(): void {
    this.at++;
    while (!this.take('"')) {
      if (this.take('\\')) this.escape();
      else if (this.peek() < ' ') this.fail('in string literal');
      else this.at++;
    }
  }

  private escape(): void {
    if (!this.take('u')) {
      if (!'bfnrt\\/"'.includes(this.peek())) this.fail('in string escape code');
      this.at++;
      return;
    }
    for (let digit = 0; digit < 4; digit++, this.at++) {
      if (!HEX.test(this.peek())) this.fail('in \\u hexadecimal character escape');
    }
  }

  private number(): void {
    this.take('-');
    if (!this.take('0')) this.digits('in numeric literal');
    if (this.take('.')) this.digits('after decimal point in numeric literal');
    if (this.take('e') || this.take('E')) {
      if (!this.take('+')) this.take('-');
      this.digits('in exponent of numeric literal');
    }
  }

  private digits(where: string): void {
    if (!DIGIT.test(this.peek())) this.fail(where);
    while (this.at < this.text.length && DIGIT.test(this.peek())) this.at++;
  }

  private word(word: string): void {
    for (const letter of word) {
      if (this.peek() !== letter) this.fail(`in literal ${word} (expecting '${letter}')`);
      this.at++;
    }
  }

  private space(): void {
    while (this.at < this.text.length && SPACE.includes(this.peek())) this.at++;
  }

  private take(wanted: string): boolean {
    if (this.at >= this.text.length || this.peek() !== wanted) return false;
    this.at++;
    return true;
  }

  private peek(): string {
    const found = this.text[this.at];
    if (found === undefined) throw new SyntaxProblem('unexpected EOF');
    return found;
  }

  private fail(where: string): never {
    throw new SyntaxProblem(`invalid character ${quoted(this.text.slice(this.at))} ${where}`);
  }
}

/** The first character as Go quotes one. */
function quoted(text: string): string {
  const character = String.fromCodePoint(text.codePointAt(0) ?? 0);
  if (character === "'") return "'\\''";
  if (character === '"') return `'"'`;
  return `'${JSON.stringify(character).slice(1, -1).replace('\\u00', '\\x')}'`;
}
