import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { hasCode } from '@gantry/shared/linux';
import { lastLineEnd, linesBackwards, LogFileReader } from './log-lines';
import { openPlainOrCompressed } from './compressed-log';
import { parseLogRecord, type LogRecord } from './log-record';

/** A place in a container's log: a file by its number, and a byte in it. */
export interface LogPosition {
  sequence: number;
  position: number;
}

/** The files of one log. Each has a number that counts up for ever, so that it always means the same lines. */
export interface LogFiles {
  /** The file being written. */
  readonly current: string;
  readonly parse: (line: Buffer) => LogRecord | undefined;
  /** Numbers of the rotated files, the oldest first. */
  rotated(): Promise<number[]>;
  /** Bytes in the file being written; undefined when there is none. */
  currentSize(): Promise<number | undefined>;
  /** Opens the oldest file that is not older than `sequence`. undefined when there is none yet. */
  openFrom(sequence: number): Promise<{ sequence: number; file: FileHandle } | undefined>;
}

/**
 * The log that the monitor writes, `container.log`; a rotation renames it to `container.log.<n>`. The file being written
 * has the number after the newest one.
 */
export class MonitorLogFiles implements LogFiles {
  readonly parse = parseLogRecord;

  constructor(readonly current: string) {}

  path(sequence: number): string {
    return `${this.current}.${sequence}`;
  }

  async rotated(): Promise<number[]> {
    const prefix = `${basename(this.current)}.`;
    const names = await readdir(dirname(this.current)).catch((error: unknown) =>
      absent(error, [] as string[]),
    );
    const numbers = names
      .filter((name) => name.startsWith(prefix) && /^\d+(\.gz)?$/.test(name.slice(prefix.length)))
      .map((name) => parseInt(name.slice(prefix.length), 10));
    return [...new Set(numbers)].sort((a, b) => a - b);
  }

  async currentSize(): Promise<number | undefined> {
    return (await stat(this.current).catch((error: unknown) => absent(error, undefined)))?.size;
  }

  async openFrom(sequence: number): Promise<{ sequence: number; file: FileHandle } | undefined> {
    for (;;) {
      const rotated = await this.rotated();
      const newest = rotated.at(-1) ?? 0;
      const wanted = rotated.find((each) => each >= sequence);
      const file =
        wanted === undefined
          ? await open(this.current, 'r').catch((error: unknown) => absent(error, undefined))
          : await openPlainOrCompressed(this.path(wanted));
      // A rotation in between would have made another file of the same name.
      const settled = ((await this.rotated()).at(-1) ?? 0) === newest;
      if (settled) return file && { sequence: wanted ?? newest + 1, file };
      await file?.close();
    }
  }
}

/** Where the next line of the log will begin. */
export async function endOf(files: LogFiles): Promise<LogPosition> {
  const newest = await files.openFrom(Number.MAX_SAFE_INTEGER);
  if (!newest) return { sequence: ((await files.rotated()).at(-1) ?? 0) + 1, position: 0 };
  try {
    return { sequence: newest.sequence, position: await lastLineEnd(newest.file) };
  } finally {
    await newest.file.close();
  }
}

/** Where the last `count` lines begin. A line in parts counts once, and so does a last one without newline. */
export async function tailOf(files: LogFiles, count: number): Promise<LogPosition> {
  let found = await endOf(files);
  if (count === 0) return found;
  const rotated = await files.rotated();
  let lines = 0;
  const ended = new Set<string>();
  for (const sequence of [found.sequence, ...rotated.reverse().filter((each) => each < found.sequence)]) {
    const opened = await files.openFrom(sequence);
    try {
      if (opened?.sequence !== sequence) continue;
      for await (const { line, start } of linesBackwards(opened.file)) {
        const record = files.parse(line);
        if (record && (record.endsLine || !ended.has(record.stream))) {
          if (++lines > count) return found;
          ended.add(record.stream);
        }
        found = { sequence, position: start };
      }
    } finally {
      await opened?.file.close();
    }
  }
  return found;
}

/** Reads a log from a place on, through every rotation, to its present end and later further. */
export class LogCursor {
  /** A file that came next was gone before it was read. */
  missed = false;
  private reader?: LogFileReader;
  private opening?: Promise<boolean>;
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
      if (!this.reader && !(await this.open())) return Buffer.alloc(0);
      const reader = this.reader as LogFileReader;
      const block = await reader.next();
      if (block.length > 0 || !(await this.replaced())) return block;
      // The monitor writes to the next file by now; what it wrote to this one before that is complete.
      const last = await reader.next();
      if (last.length > 0) return last;
      await this.close();
      this.sequence++;
    }
  }

  async close(): Promise<void> {
    await this.reader?.file.close();
    this.reader = undefined;
  }

  /** Opens the file to be read next, where it exists: from then on it can be read even if it is removed. */
  open(): Promise<boolean> {
    this.opening ??= this.openNext().finally(() => (this.opening = undefined));
    return this.opening;
  }

  private async openNext(): Promise<boolean> {
    if (this.reader) return true;
    const opened = await this.files.openFrom(this.sequence);
    if (!opened) return false;
    this.reader = new LogFileReader(opened.file, this.startIn(opened.sequence));
    if (this.sequence > 0 && opened.sequence > this.sequence) this.missed = true;
    this.sequence = opened.sequence;
    return true;
  }

  private startIn(sequence: number): number {
    return sequence === this.from.sequence ? this.from.position : 0;
  }

  private async replaced(): Promise<boolean> {
    const newest = (await this.files.rotated()).at(-1) ?? 0;
    if (newest > this.sequence) return true;
    return newest === this.sequence && (await this.files.currentSize()) !== undefined;
  }
}

function absent<T>(error: unknown, value: T): T {
  if (hasCode(error, 'ENOENT')) return value;
  throw error;
}
