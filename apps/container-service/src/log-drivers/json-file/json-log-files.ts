import { closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { hasCode } from '@gantry/shared/linux';
import { openPlainOrCompressed } from '../../logs/compressed-log';
import type { LogFiles } from '../../logs/log-files';
import type { LogRecord } from '../../logs/log-record';

/**
 * The files of dockerd's json-file driver: `<id>-json.log` and, the newest first, `<id>-json.log.1`, `.2` ... or `.1.gz`.
 * Their names change with each rotation, which `rotations` counts; a file's number here does not.
 */
export class JsonLogFiles implements LogFiles {
  readonly parse = parseJsonLine;

  constructor(
    readonly current: string,
    /** How often it was rotated since this process began. */
    private readonly rotations: () => number,
  ) {}

  rotated(): Promise<number[]> {
    const newest = this.newest();
    return Promise.resolve(
      rotatedNames(this.current)
        .map((age) => newest - age)
        .sort((a, b) => a - b),
    );
  }

  async currentSize(): Promise<number | undefined> {
    try {
      return (await stat(this.current)).size;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  async openFrom(sequence: number): Promise<{ sequence: number; file: FileHandle } | undefined> {
    const newest = this.newest();
    const ages = rotatedNames(this.current).sort((a, b) => b - a);
    const age = ages.find((each) => newest - each >= sequence) ?? 0;
    const path = age === 0 ? this.current : `${this.current}.${age}`;
    const file = await this.openNow(path);
    return file && { sequence: newest - age, file };
  }

  private newest(): number {
    return FIRST + this.rotations();
  }

  /** A rotation renames between two turns of the event loop: the name is resolved in this one. */
  private async openNow(path: string): Promise<FileHandle | undefined> {
    if (!existsSync(path)) return openPlainOrCompressed(path);
    const fd = openSync(path, 'r');
    try {
      return await open(`/proc/self/fd/${fd}`, 'r');
    } finally {
      closeSync(fd);
    }
  }
}

/** Of the file being written before the first rotation; above any number of rotated files. */
const FIRST = 1_000_000;

/** The numbers in the names of the rotated files. */
export function rotatedNames(current: string): number[] {
  const prefix = `${basename(current)}.`;
  const numbers = readdirSync(dirname(current))
    .filter((name) => name.startsWith(prefix) && /^\d+(\.gz)?$/.test(name.slice(prefix.length)))
    .map((name) => parseInt(name.slice(prefix.length), 10));
  return [...new Set(numbers)];
}

const OPENING = '{"log":"';
const NEWLINE = Buffer.from('\n');
const ESCAPE = 0x5c;
const LETTER_N = 0x6e;
const QUOTE = 0x22;
const LETTER_O = 0x6f;
/** From the `\` of the text's newline to the letter of the stream that tells stdout from stderr. */
const TO_STREAM_LETTER = '\\n","stream":"std'.length;
const TIME = Buffer.from('"time":"');

/** One line of the file; undefined for what is none. */
export function parseJsonLine(line: Buffer): LogRecord | undefined {
  return parseUsualLine(line) ?? parseAnyLine(line);
}

/** Without escapes in its text, as most are. */
function parseUsualLine(line: Buffer): LogRecord | undefined {
  const end = line.indexOf(ESCAPE, OPENING.length);
  if (end < 0 || line[end + 1] !== LETTER_N || line[end + 2] !== QUOTE) return undefined;
  const time = line.lastIndexOf(TIME);
  if (time < 0 || line.toString('latin1', 0, OPENING.length) !== OPENING) return undefined;
  return {
    time: line.toString('latin1', time + TIME.length, line.length - 2),
    stream: line[end + TO_STREAM_LETTER] === LETTER_O ? 'stdout' : 'stderr',
    endsLine: true,
    text: line.subarray(OPENING.length, end),
  };
}

function parseAnyLine(line: Buffer): LogRecord | undefined {
  try {
    const { log, stream, time } = JSON.parse(line.toString()) as Record<string, unknown>;
    if (typeof log !== 'string' || typeof time !== 'string') return undefined;
    const text = Buffer.from(log);
    const endsLine = text.at(-1) === NEWLINE[0];
    return {
      time,
      stream: stream === 'stderr' ? 'stderr' : 'stdout',
      endsLine,
      text: endsLine ? text.subarray(0, -1) : text,
    };
  } catch {
    return undefined; // torn by a crash of the host, or by hand
  }
}
