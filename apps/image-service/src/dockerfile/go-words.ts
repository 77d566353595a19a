/** Go's `%q` and `%v`, which stand in the history that dockerd writes. */

const ESCAPES: Record<string, string> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** `"text"` */
export function goQuoted(text: string): string {
  return `"${[...text].map(quotedChar).join('')}"`;
}

/** `["a" "b"]` */
export function goQuotedList(words: readonly string[]): string {
  return `[${words.map(goQuoted).join(' ')}]`;
}

/** Nanoseconds as `1m30s`. */
export function goDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  if (nanoseconds < 1e3) return `${nanoseconds}ns`;
  if (nanoseconds < 1e6) return `${nanoseconds / 1e3}µs`;
  if (nanoseconds < 1e9) return `${nanoseconds / 1e6}ms`;
  const minutes = Math.floor(nanoseconds / 60e9);
  const seconds = `${(nanoseconds - minutes * 60e9) / 1e9}s`;
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}

/** A number as the character it is, `'\x04'`. */
export function goQuotedNumber(value: number): string {
  const char = String.fromCodePoint(value);
  if (char === "'") return `'\\''`;
  return char === '"' ? `'"'` : `'${quotedChar(char)}'`;
}

function quotedChar(char: string): string {
  const known = ESCAPES[char];
  if (known !== undefined) return known;
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x7f || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(char)) return char;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
