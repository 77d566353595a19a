import type { AttachStream } from '@gantry/shared/linux';
import type { LogRecord } from '../logs/log-record';

/** A line as log drivers know it: of what the container wrote, up to a newline, to 16 KiB, or to the end of its run. */
export interface LogLine {
  stream: AttachStream;
  /** As the monitor wrote it (`LogRecord.time`); the parts of a long line have the time of the first. */
  time: string;
  /** Without its newline. Valid until the next call of the assembler. */
  text: Buffer;
  /** Whether the container wrote a newline after it. */
  endsLine: boolean;
  /** Set where a line is longer than 16 KiB: which part it is, from 1, and of which line. */
  part?: { line: number; ordinal: number; last: boolean };
}

/** What dockerd reads of a container at once; a line that is longer reaches its log drivers in parts. Bytes. */
export const LONGEST = 16 * 1024;

interface Held {
  text: Buffer;
  time: string;
  part?: { line: number; ordinal: number };
}

/** JSON of {@link LineAssembler.held}. */
export type HeldLines = Partial<Record<AttachStream, { text: string; time: string; part?: Held['part'] }>>;

/** Makes lines of the monitor's records, which end wherever one of its reads ended. */
export class LineAssembler {
  private readonly open: Partial<Record<AttachStream, Held>> = {};
  private longLines = 0;

  /** `held`: what an earlier one held when it was last asked. */
  constructor(held: HeldLines = {}) {
    for (const stream of ['stdout', 'stderr'] as const) {
      const each = held[stream];
      if (each) this.open[stream] = { ...each, text: Buffer.from(each.text, 'base64') };
    }
  }

  /** Nothing of a line is held: a record that ends one is the whole of it. */
  isEmpty(stream: AttachStream): boolean {
    return this.open[stream] === undefined;
  }

  *push({ stream, time, text, endsLine }: LogRecord): Generator<LogLine> {
    const held = this.open[stream];
    delete this.open[stream];
    let rest = held ? Buffer.concat([held.text, text]) : text;
    let part = held?.part;
    const stamp = part ? (held?.time ?? time) : time;
    while (rest.length >= LONGEST) {
      part = { line: part?.line ?? ++this.longLines, ordinal: (part?.ordinal ?? 0) + 1 };
      yield {
        stream,
        time: stamp,
        text: rest.subarray(0, LONGEST),
        endsLine: false,
        part: { ...part, last: false },
      };
      rest = rest.subarray(LONGEST);
    }
    if (endsLine) yield { stream, time: stamp, text: rest, endsLine, part: after(part) };
    else if (rest.length > 0 || part) this.open[stream] = { text: Buffer.from(rest), time: stamp, part };
  }

  /** The container's run is over: what is held is a line without its newline. */
  *end(): Generator<LogLine> {
    for (const stream of ['stdout', 'stderr'] as const) {
      const held = this.open[stream];
      delete this.open[stream];
      if (held?.text.length)
        yield { stream, time: held.time, text: held.text, endsLine: false, part: after(held.part) };
    }
  }

  held(): HeldLines {
    return Object.fromEntries(
      Object.entries(this.open).map(([stream, { text, time, part }]) => [
        stream,
        { text: text.toString('base64'), time, part },
      ]),
    );
  }
}

const after = (part: Held['part']): LogLine['part'] =>
  part && { line: part.line, ordinal: part.ordinal + 1, last: true };
