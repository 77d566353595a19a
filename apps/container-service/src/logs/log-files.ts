import { open, readdir, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { hasCode } from '@gantry/shared/linux';
import { linesBackwards, LogFileReader } from './log-lines';
import { parseLogRecord } from './log-record';

/** A place in a container's log: a file by its number, and a byte in it. */
export interface LogPosition {
  sequence: number;
  position: number;
}

/**
 * The files of one log. The monitor writes `container.log`; a rotation renames it to `container.log.<n>`, n counting up
 * for ever, so that a number always means the same lines. The file being written has the number after the newest one.
 */
export class LogFiles {
  constructor(readonly current: string) {}

  path(sequence: number): string {
    return `${this.current}.${sequence}`;
  }

  /** Numbers of the rotated files, the oldest first. */
  async rotated(): Promise<number[]> {
    const prefix = `${basename(this.current)}.`;
    const names = await readdir(dirname(this.current)).catch((error: unknown) =>
      absent(error, [] as string[]),
    );
    return names
      .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
      .map((name) => Number(name.slice(prefix.length)))
      .sort((a, b) => a - b);
  }

  /** Bytes in the file being written; undefined when there is none. */
  async currentSize(): Promise<number | undefined> {
    return (await stat(this.current).catch((error: unknown) => absent(error, undefined)))?.size;
  }

  /** Opens the oldest file that is not older than `sequence`. undefined when there is none yet. */
  async openFrom(sequence: number): Promise<{ sequence: number; file: FileHandle } | undefined> {
    for (;;) {
      const rotated = await this.rotated();
      const newest = rotated.at(-1) ?? 0;
      const wanted = rotated.find((each) => each >= sequence);
      const path = wanted === undefined ? this.current : this.path(wanted);
      const file = await open(path, 'r').catch((error: unknown) => absent(error, undefined));
      // A rotation in between would have made another file of the same name.
      const settled = ((await this.rotated()).at(-1) ?? 0) === newest;
      if (settled) return file && { sequence: wanted ?? newest + 1, file };
      await file?.close();
    }
  }

  /** Where the last `count` lines begin. A line in parts counts once, and so does a last one without newline. */
  async tail(count: number): Promise<LogPosition> {
    const rotated = await this.rotated();
    const newest = (rotated.at(-1) ?? 0) + 1;
    let found: LogPosition = { sequence: newest, position: (await this.currentSize()) ?? 0 };
    if (count === 0) return found;
    let lines = 0;
    const ended = new Set<string>();
    for (const sequence of [newest, ...rotated.reverse()]) {
      const path = sequence === newest ? this.current : this.path(sequence);
      const file = await open(path, 'r').catch((error: unknown) => absent(error, undefined));
      if (!file) continue;
      try {
        for await (const { line, start } of linesBackwards(file)) {
          const record = parseLogRecord(line);
          if (record && (record.endsLine || !ended.has(record.stream))) {
            if (++lines > count) return found;
            ended.add(record.stream);
          }
          found = { sequence, position: start };
        }
      } finally {
        await file.close();
      }
    }
    return found;
  }
}

/** Reads a log from a place on, through every rotation, to its present end and later further. */
export class LogCursor {
  private reader?: LogFileReader;
  private sequence: number;

  constructor(
    private readonly files: LogFiles,
    private readonly from: LogPosition = { sequence: 0, position: 0 },
  ) {
    this.sequence = from.sequence;
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

  private async open(): Promise<boolean> {
    const opened = await this.files.openFrom(this.sequence);
    if (!opened) return false;
    const position = opened.sequence === this.from.sequence ? this.from.position : 0;
    this.reader = new LogFileReader(opened.file, position);
    this.sequence = opened.sequence;
    return true;
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
