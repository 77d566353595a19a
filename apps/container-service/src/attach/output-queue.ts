import { StdStream, type Output } from '@gantry/proto/common';
import type { AttachStream } from '@gantry/shared/linux';
import type { StreamReader } from './stream-reader';

/** Neighbouring packets of one stream are joined up to about this many bytes. */
const PIECE = 256 * 1024;

/**
 * What one attached client has still to get, in order. Whoever fills it stops at {@link OutputQueue.full} and waits for
 * `onRoom`; nothing is ever dropped.
 */
export class OutputQueue implements StreamReader, AsyncIterable<Output> {
  onRoom: () => void = () => {};

  readonly finished: Promise<void>;

  private finish!: () => void;
  private readonly packets: { stream: AttachStream; data: Buffer }[] = [];
  private bytes = 0;
  private ended = false;
  private wake?: () => void;

  /** Streams that are not selected are left out. `limit`: bytes. */
  constructor(
    private readonly selected: Record<AttachStream, boolean>,
    private readonly limit = 1024 * 1024,
  ) {
    this.finished = new Promise((resolve) => (this.finish = resolve));
  }

  get full(): boolean {
    return this.bytes >= this.limit;
  }

  push(stream: AttachStream, data: Buffer): void {
    if (this.ended || !this.selected[stream]) return;
    this.packets.push({ stream, data });
    this.bytes += data.length;
    this.notify();
  }

  end(): void {
    this.ended = true;
    this.notify();
  }

  discard(): void {
    this.packets.length = 0;
    this.bytes = 0;
    this.end();
    this.finish();
    this.onRoom();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Output> {
    for (;;) {
      if (this.packets.length > 0) yield this.take();
      else if (this.ended) return this.finish();
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  private take(): Output {
    const stream = this.packets[0]?.stream ?? 'stdout';
    let count = 0;
    let size = 0;
    while (size < PIECE && this.packets[count]?.stream === stream)
      size += this.packets[count++]?.data.length ?? 0;
    const parts = this.packets.splice(0, count).map(({ data }) => data);
    const wasFull = this.full;
    this.bytes -= size;
    if (wasFull && !this.full) this.onRoom();
    return {
      stream: stream === 'stdout' ? StdStream.STD_STREAM_STDOUT : StdStream.STD_STREAM_STDERR,
      data: parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size),
    };
  }

  private notify(): void {
    this.wake?.();
    this.wake = undefined;
  }
}
