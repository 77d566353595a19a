import { statSync } from 'node:fs';
import { lastLineEnd, linesBackwards, LogFileReader } from './log-lines';
import type { LogRecord } from './log-record';
import type { OpenLog } from './open-log';

/** A place in a container's log: a file by its number, and a byte in it. */
export interface LogPosition {
  sequence: number;
  position: number;
}

/**
 * The files of one log. Each has a number that counts up for ever, so that it always means the same lines. Looking at names
 * blocks: the kernel has them in memory, and a turn of the thread pool for each would be most of what a short answer takes.
 */
export interface LogFiles {
  /** The file being written. */
  readonly current: string;
  readonly parse: (line: Buffer) => LogRecord | undefined;
  /** Numbers of the rotated files, the oldest first. */
  rotated(): number[];
  /** Opens the oldest file that is not older than `sequence`. undefined when there is none yet. */
  openFrom(sequence: number): NumberedLog | undefined;
}

/** An open file of a log, and its number. */
export interface NumberedLog {
  sequence: number;
  file: OpenLog;
}

/** Bytes in the file being written; undefined when there is none. */
export const currentSize = ({ current }: Pick<LogFiles, 'current'>): number | undefined =>
  statSync(current, { throwIfNoEntry: false })?.size;

/** Where the next line of the log will begin. */
export async function endOf(files: LogFiles): Promise<LogPosition> {
  const newest = files.openFrom(Number.MAX_SAFE_INTEGER);
  if (!newest) return { sequence: (files.rotated().at(-1) ?? 0) + 1, position: 0 };
  try {
    return { sequence: newest.sequence, position: await lastLineEnd(newest.file) };
  } finally {
    newest.file.close();
  }
}

/** Where the last `count` lines begin. A line in parts counts once, and so does a last one without newline. */
export async function tailOf(files: LogFiles, count: number): Promise<LogPosition> {
  if (count === 0) return endOf(files);
  let found: LogPosition | undefined;
  let lines = 0;
  const ended = new Set<string>();
  for (const { sequence, file } of newestFirst(files)) {
    for await (const { line, start } of linesBackwards(file)) {
      const record = files.parse(line);
      if (record && (record.endsLine || !ended.has(record.stream))) {
        if (++lines > count && found) return found;
        ended.add(record.stream);
      }
      found = { sequence, position: start };
    }
  }
  return found ?? endOf(files);
}

/** Each is open until the next one is asked for. */
function* newestFirst(files: LogFiles): Generator<NumberedLog> {
  let before = Infinity;
  function* opened(sequence: number): Generator<NumberedLog> {
    const log = files.openFrom(sequence);
    if (!log) return;
    try {
      // Else it is gone, and what came after it was seen already.
      if (log.sequence < before) yield log;
      before = Math.min(before, log.sequence);
    } finally {
      log.file.close();
    }
  }
  yield* opened(Number.MAX_SAFE_INTEGER);
  for (const sequence of files.rotated().reverse()) if (sequence < before) yield* opened(sequence);
}

/** Reads a log from a place on, through every rotation, to its present end and later further. */
export class LogCursor {
  /** A file that came next was gone before it was read. */
  missed = false;
  private reader?: LogFileReader;
  private sequence: number;

  constructor(
    private readonly files: LogFiles,
    private readonly from: LogPosition = { sequence: 0, position: 0 },
  ) {
    this.sequence = from.sequence;
  }

  /** Behind the last line that was handed out. */
  get position(): LogPosition {
    return { sequence: this.sequence, position: this.reader?.position ?? this.startIn(this.sequence) };
  }

  /** Whole lines, valid until the next call; empty when there are no more for now. */
  async next(): Promise<Buffer> {
    for (;;) {
      if (!this.open()) return Buffer.alloc(0);
      const reader = this.reader as LogFileReader;
      const block = await reader.next();
      if (block.length > 0 || !this.replaced()) return block;
      // The monitor writes to the next file by now; what it wrote to this one before that is complete.
      const last = await reader.next();
      if (last.length > 0) return last;
      this.close();
      this.sequence++;
    }
  }

  close(): void {
    this.reader?.file.close();
    this.reader = undefined;
  }

  /** Opens the file to be read next, where it exists: from then on it can be read even if it is removed. */
  open(): boolean {
    if (this.reader) return true;
    const opened = this.files.openFrom(this.sequence);
    if (!opened) return false;
    this.reader = new LogFileReader(opened.file, this.startIn(opened.sequence));
    if (this.sequence > 0 && opened.sequence > this.sequence) this.missed = true;
    this.sequence = opened.sequence;
    return true;
  }

  private startIn(sequence: number): number {
    return sequence === this.from.sequence ? this.from.position : 0;
  }

  private replaced(): boolean {
    const newest = this.files.rotated().at(-1) ?? 0;
    if (newest > this.sequence) return true;
    return newest === this.sequence && currentSize(this.files) !== undefined;
  }
}
