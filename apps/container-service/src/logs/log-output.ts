import { StdStream, type Output } from '@gantry/proto/common';
import type { AttachStream } from '@gantry/shared/linux';
import { linesOf } from './log-lines';
import { isUsualHeader, parseLogRecord, USUAL, utcTime, type LogRecord } from './log-record';

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
const NEWLINE_BYTE = 0x0a;
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

  /** `parse`: of a line of the log. */
  constructor(
    private readonly selection: LogSelection,
    private readonly parse: (line: Buffer) => LogRecord | undefined = parseLogRecord,
  ) {}

  /** What a block of whole lines has to show, the neighbours of one stream in one piece. The pieces are copies. */
  render(block: Buffer): Generator<Output> {
    const { since, until, timestamps, details } = this.selection;
    const plain = !timestamps && since === undefined && until === undefined && details === undefined;
    return plain ? this.renderPlain(block) : this.renderRecords(block);
  }

  /** The usual case, without an object or a small buffer for each line: five times as fast. */
  private *renderPlain(block: Buffer): Generator<Output> {
    const output = Buffer.allocUnsafe(block.length);
    let [begin, end] = [0, 0];
    let stream: AttachStream = 'stdout';
    for (let at = 0, newline = 0; at < block.length; at = newline + 1) {
      newline = block.indexOf(NEWLINE_BYTE, at);
      const usual = newline >= at + USUAL.headerLength && isUsualHeader(block, at);
      const record = usual ? undefined : this.parse(block.subarray(at, newline));
      if (!usual && !record) continue;
      const source =
        record?.stream ?? (block[at + USUAL.streamLetterAt] === USUAL.letterOfStdout ? 'stdout' : 'stderr');
      if (!this.selection[source]) continue;
      if (source !== stream && end > begin) {
        yield { stream: STD_STREAM[stream], data: output.subarray(begin, end) };
        begin = end;
      }
      stream = source;
      const endsLine = record ? record.endsLine : block[at + USUAL.tagAt] === USUAL.full;
      end += record
        ? record.text.copy(output, end)
        : block.copy(output, end, at + USUAL.headerLength, newline);
      if (endsLine) output[end++] = NEWLINE_BYTE;
    }
    if (end > begin) yield { stream: STD_STREAM[stream], data: output.subarray(begin, end) };
  }

  private *renderRecords(block: Buffer): Generator<Output> {
    let parts: Buffer[] = [];
    let size = 0;
    let stream: AttachStream = 'stdout';
    for (const line of linesOf(block)) {
      const record = this.parse(line);
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
