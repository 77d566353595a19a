import type { AttachStream } from '@gantry/shared/linux';
import { isUsualHeader, parseLogRecord, USUAL, utcTime } from '../../logs/log-record';
import { type HeldLines, LineAssembler, LONGEST, type LogLine } from '../line-assembler';

const HEX = '0123456789abcdef';
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const DOT = 0x2e;
const PLUS = 0x2b;
const LETTER_Z = 0x5a;
/** Bytes that stand in a JSON string as they are. dockerd writes `<`, `>` and `&` as escapes. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && ![QUOTE, BACKSLASH, 0x3c, 0x3e, 0x26].includes(byte) ? 1 : 0,
);
const OPENING = Buffer.from('{"log":"');
const CLOSING = Buffer.from('"}\n');
const ESCAPED_NEWLINE = Buffer.from('\\n');
/** A byte may become six, `\u0001`. */
const LONGEST_ESCAPE = 6;
/** Stands for a byte that is no UTF-8; no decoded text has a lone surrogate. */
const BROKEN = '\udfff';
/** What stands around a text: the rest of a line with its time. */
const AROUND = 128;

/** Turns blocks of the monitor's log into the lines of dockerd's json-file driver, byte for byte. */
export class JsonLineEncoder {
  private readonly assembler: LineAssembler;
  private readonly middle: Record<AttachStream, Buffer>;
  private readonly around: number;
  private output = Buffer.allocUnsafe(1024 * 1024);
  private length = 0;

  constructor(attributes: Record<string, string>, held?: HeldLines) {
    this.assembler = new LineAssembler(held);
    const keys = Object.keys(attributes).sort();
    const sorted = Object.fromEntries(keys.map((key) => [key, attributes[key]]));
    const text = keys.length === 0 ? '' : `"attrs":${escapeHtml(JSON.stringify(sorted))},`;
    const middle = (stream: AttachStream) => Buffer.from(`","stream":"${stream}",${text}"time":"`);
    this.middle = { stdout: middle('stdout'), stderr: middle('stderr') };
    this.around = AROUND + this.middle.stdout.length;
  }

  held(): HeldLines {
    return this.assembler.held();
  }

  /** `block`: whole lines of the monitor's log. The result is valid until the next call. */
  encode(block: Buffer): Buffer {
    this.length = 0;
    for (let at = 0, newline = 0; at < block.length; at = newline + 1) {
      newline = block.indexOf(NEWLINE, at);
      if (this.addUsual(block, at, newline)) continue;
      const record = parseLogRecord(block.subarray(at, newline));
      if (record) for (const each of this.assembler.push(record)) this.add(each);
    }
    return this.output.subarray(0, this.length);
  }

  /** What is left of the container's last lines. */
  end(): Buffer {
    this.length = 0;
    for (const line of this.assembler.end()) this.add(line);
    return this.output.subarray(0, this.length);
  }

  /** The usual case, a short whole line of a host in UTC, without an object for it: twice as fast. */
  private addUsual(block: Buffer, at: number, newline: number): boolean {
    const begin = at + USUAL.headerLength;
    if (newline < begin || newline - begin >= LONGEST || !isUsualHeader(block, at)) return false;
    if (block[at + USUAL.tagAt] !== USUAL.full || !hasZoneUtc(block, at)) return false;
    const stream = block[at + USUAL.streamLetterAt] === USUAL.letterOfStdout ? 'stdout' : 'stderr';
    if (!this.assembler.isEmpty(stream)) return false;
    this.reserve((newline - begin) * LONGEST_ESCAPE + this.around);
    this.append(OPENING);
    this.appendText(block.subarray(begin, newline));
    this.append(ESCAPED_NEWLINE);
    this.append(this.middle[stream]);
    let end = at + USUAL.zoneAt;
    while (block[end - 1] === ZERO) end--;
    if (block[end - 1] === DOT) end--;
    const { output } = this;
    let to = this.length;
    for (let index = at; index < end; index++) output[to++] = block[index] as number;
    output[to++] = LETTER_Z;
    this.length = to;
    this.append(CLOSING);
    return true;
  }

  private add({ stream, time, text, endsLine }: LogLine): void {
    this.reserve(text.length * LONGEST_ESCAPE + this.around);
    this.append(OPENING);
    this.appendText(text);
    if (endsLine) this.append(ESCAPED_NEWLINE);
    this.append(this.middle[stream]);
    this.length += this.output.write(shortTime(time), this.length, 'latin1');
    this.append(CLOSING);
  }

  private appendText(text: Buffer): void {
    const { output } = this;
    let at = this.length;
    for (let index = 0; index < text.length; index++) {
      const byte = text[index] as number;
      if (PLAIN[byte]) output[at++] = byte;
      else if (byte >= 0x80) {
        this.length = at;
        return this.appendUnicode(text.subarray(index));
      } else at += escapeInto(output, at, byte);
    }
    this.length = at;
  }

  /** Text beyond ASCII: what is no UTF-8 becomes U+FFFD, each byte of it, as Go does. */
  private appendUnicode(text: Buffer): void {
    for (const character of validUtf8(text)) {
      const code = character.codePointAt(0) ?? 0;
      if (character === BROKEN) this.length += this.output.write('\\ufffd', this.length, 'latin1');
      else if (code === 0x2028 || code === 0x2029) {
        this.length += this.output.write(`\\u${code.toString(16)}`, this.length, 'latin1');
      } else if (code < 0x80 && !PLAIN[code]) {
        this.length += escapeInto(this.output, this.length, code);
      } else this.length += this.output.write(character, this.length, 'utf8');
    }
  }

  /** Of a few bytes: a call of Buffer.copy takes longer. */
  private append(bytes: Buffer): void {
    const { output } = this;
    let at = this.length;
    for (let index = 0; index < bytes.length; index++) output[at++] = bytes[index] as number;
    this.length = at;
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.output.length) return;
    const larger = Buffer.allocUnsafe((this.length + bytes) * 2);
    this.output.copy(larger, 0, 0, this.length);
    this.output = larger;
  }
}

function hasZoneUtc(block: Buffer, at: number): boolean {
  const zone = at + USUAL.zoneAt;
  const hours = block[zone + 1] === ZERO && block[zone + 2] === ZERO;
  return block[zone] === PLUS && hours && block[zone + 4] === ZERO && block[zone + 5] === ZERO;
}

function escapeInto(output: Buffer, at: number, byte: number): number {
  output[at] = BACKSLASH;
  if (byte === QUOTE || byte === BACKSLASH) output[at + 1] = byte;
  else if (byte === NEWLINE) output[at + 1] = 0x6e;
  else if (byte === CARRIAGE_RETURN) output[at + 1] = 0x72;
  else {
    output.write(`u00${HEX[byte >> 4] ?? ''}${HEX[byte & 15] ?? ''}`, at + 1, 'latin1');
    return LONGEST_ESCAPE;
  }
  return 2;
}

/** RFC 3339 with the digits that count, as Go's RFC3339Nano. */
function shortTime(time: string): string {
  const text = utcTime(time);
  let end = text.length - 1;
  while (text[end - 1] === '0') end--;
  if (text[end - 1] === '.') end--;
  return `${text.slice(0, end)}Z`;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function validUtf8(text: Buffer): string {
  try {
    return strict.decode(text);
  } catch {
    return eachByteReplaced(text);
  }
}

/** WHATWG decoders replace a broken sequence once, Go each byte of it. */
function eachByteReplaced(text: Buffer): string {
  let result = '';
  for (let at = 0; at < text.length;) {
    const size = sequenceLength(text[at] as number);
    const sequence = text.subarray(at, at + size);
    try {
      result += strict.decode(sequence);
      at += size;
    } catch {
      result += BROKEN;
      at++;
    }
  }
  return result;
}

function sequenceLength(lead: number): number {
  if (lead >= 0xf0) return 4;
  if (lead >= 0xe0) return 3;
  return lead >= 0xc0 ? 2 : 1;
}

const escapeHtml = (json: string): string =>
  json.replace(/[<>&\u2028\u2029]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
