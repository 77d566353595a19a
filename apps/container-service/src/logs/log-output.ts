import { StdStream, type Output } from '@gantry/proto/common';
import type { AttachStream } from '@gantry/shared/linux';
import { linesOf } from './log-lines';
import { parseLogRecord, utcTime, type LogRecord } from './log-record';

export interface LogSelection {
  stdout: boolean;
  stderr: boolean;
  /** Inclusive, in the form of `utcTime`. */
  since?: string;
  until?: string;
  timestamps: boolean;
  /** Put before each line with a space after it; undefined: nothing. */
  details?: string;
}

/** Pieces of output grow to about this many bytes before they go out as a message. */
const PIECE = 128 * 1024;
const NEWLINE = Buffer.from('\n');

export const STD_STREAM: Record<AttachStream, StdStream> = {
  stdout: StdStream.STD_STREAM_STDOUT,
  stderr: StdStream.STD_STREAM_STDERR,
};

/** Makes what the container wrote out of blocks of the monitor's log. */
export class LogOutput {
  /** A line came later than `until`: nothing more will be shown. */
  finished = false;
  /** Streams whose last record was a part of a line. */
  private readonly midLine = new Set<AttachStream>();

  constructor(private readonly selection: LogSelection) {}

  /** What a block of whole lines has to show, the neighbours of one stream in one piece. The pieces are copies. */
  *render(block: Buffer): Generator<Output> {
    let parts: Buffer[] = [];
    let size = 0;
    let stream: AttachStream = 'stdout';
    for (const line of linesOf(block)) {
      const record = parseLogRecord(line);
      if (!record || !this.selected(record)) continue;
      if (this.finished) break;
      if (size > 0 && (record.stream !== stream || size >= PIECE)) {
        yield { stream: STD_STREAM[stream], data: Buffer.concat(parts, size) };
        parts = [];
        size = 0;
      }
      stream = record.stream;
      for (const part of this.textOf(record)) {
        parts.push(part);
        size += part.length;
      }
    }
    if (size > 0) yield { stream: STD_STREAM[stream], data: Buffer.concat(parts, size) };
  }

  private selected(record: LogRecord): boolean {
    const { since, until } = this.selection;
    if (since !== undefined || until !== undefined) {
      const time = utcTime(record.time);
      if (since !== undefined && time < since) return false;
      if (until !== undefined && time > until) this.finished = true;
    }
    return this.selection[record.stream];
  }

  private *textOf(record: LogRecord): Generator<Buffer> {
    const { timestamps, details } = this.selection;
    if ((timestamps || details !== undefined) && !this.midLine.has(record.stream)) {
      const prefix = [
        ...(timestamps ? [utcTime(record.time)] : []),
        ...(details === undefined ? [] : [details]),
      ];
      yield Buffer.from(`${prefix.join(' ')} `);
    }
    yield record.text;
    if (record.endsLine) {
      yield NEWLINE;
      this.midLine.delete(record.stream);
    } else this.midLine.add(record.stream);
  }
}
