import type { AttachStream } from '@gantry/shared/linux';

/**
 * One line of conmon's k8s-file log (`time stream F|P text`): a line that the container wrote, or a part of one.
 * The container's exact bytes are the texts, with a newline after each record that ends a line.
 */
export interface LogRecord {
  /** As conmon wrote it: RFC 3339 with nanoseconds and the offset of its time zone. */
  time: string;
  stream: AttachStream;
  /** Whether a newline follows. */
  endsLine: boolean;
  /** A view of the block that was read. */
  text: Buffer;
}

const SPACE = 0x20;
const FULL = 0x46;
const PLUS = 0x2b;
const MINUS = 0x2d;

/** `2026-11-23T23:28:42.563007047+00:00 stdout F `: what conmon writes before a text, by its places. */
export const USUAL = {
  headerLength: 45,
  zoneAt: 29,
  streamLetterAt: 39,
  tagAt: 43,
  letterOfStdout: 0x6f,
  full: FULL,
};
const TIME_LENGTH = 35;

/** Whether the line that begins at `at` has the places of {@link USUAL}. */
export const isUsualHeader = (block: Buffer, at: number): boolean =>
  block[at + 4] === MINUS &&
  (block[at + USUAL.zoneAt] === PLUS || block[at + USUAL.zoneAt] === MINUS) &&
  block[at + TIME_LENGTH] === SPACE &&
  block[at + USUAL.tagAt - 1] === SPACE &&
  block[at + USUAL.tagAt + 1] === SPACE;

/** `line` without its newline. undefined for what is no record (a line torn by a crash of the host). */
export function parseLogRecord(line: Buffer): LogRecord | undefined {
  const afterTime = line.indexOf(SPACE);
  const afterStream = line.indexOf(SPACE, afterTime + 1);
  if (afterTime < 20 || afterStream < 0 || line[afterStream + 2] !== SPACE) return undefined;
  return {
    time: line.toString('latin1', 0, afterTime),
    // stdout and stderr differ in their fourth letter.
    stream: line[afterTime + 4] === 0x6f ? 'stdout' : 'stderr',
    endsLine: line[afterStream + 1] === FULL,
    text: line.subarray(afterStream + 3),
  };
}

/** A record's time as Docker shows it: UTC with a Z and all nine digits. */
export function utcTime(time: string): string {
  if (time.endsWith('+00:00')) return `${time.slice(0, -6)}Z`;
  if (time.endsWith('Z')) return `${time.slice(0, -1)}${time[19] === '.' ? '' : '.'}`.padEnd(29, '0') + 'Z';
  const zone = time.search(/(Z|[+-]\d\d:\d\d)$/);
  const fraction = /\.\d+/.exec(time)?.[0] ?? '.000000000';
  return (
    new Date(time.slice(0, 19) + time.slice(zone)).toISOString().slice(0, 19) + fraction.padEnd(10, '0') + 'Z'
  );
}

/** A time of the API, `seconds[.nanoseconds]`, in the form of {@link utcTime}, so that strings compare as times do. */
export function boundaryTime(value: string): string | undefined {
  const [, seconds, fraction = ''] = /^(\d+)(?:\.(\d{1,9}))?$/.exec(value) ?? [];
  if (seconds === undefined || (Number(seconds) === 0 && Number(fraction) === 0)) return undefined;
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction.padEnd(9, '0')}Z`;
}
