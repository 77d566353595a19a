import type { LogFiles, NumberedLog } from '../../logs/log-files';
import type { LogRecord } from '../../logs/log-record';
import { openLog } from '../../logs/open-log';
import { rotatedNumbers } from '../../logs/rotated-numbers';

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

  rotated(): number[] {
    const newest = this.newest();
    return rotatedNumbers(this.current)
      .map((age) => newest - age)
      .reverse();
  }

  /** A rotation renames between two turns of the event loop: the names are those of this one. */
  openFrom(sequence: number): NumberedLog | undefined {
    const newest = this.newest();
    const age = rotatedNumbers(this.current).findLast((each) => newest - each >= sequence) ?? 0;
    const file = openLog(age === 0 ? this.current : `${this.current}.${age}`);
    return file && { sequence: newest - age, file };
  }

  private newest(): number {
    return FIRST + this.rotations();
  }
}

/** Of the file being written before the first rotation; above any number of rotated files. */
const FIRST = 1_000_000;

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
