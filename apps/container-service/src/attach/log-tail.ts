import type { Output } from '@gantry/proto/common';
import { dataLoss } from '@gantry/shared/errors';
import type { AttachStream } from '@gantry/shared/linux';
import { LogCursor, type LogFiles, type LogPosition } from '../logs/log-files';
import { LogOutput } from '../logs/log-output';
import { outputTurn } from '../logs/output-turns';
import type { StreamReader } from './stream-reader';

/** How far a client may be behind before the process waits for it. Bytes. */
const BEHIND = 1024 * 1024;
/** A client that takes nothing for so long has stalled: the process does not wait for it any longer. Milliseconds. */
const STALLED_MS = 10_000;

/**
 * What one attached client has still to get, read from the log as fast as it is taken: the monitor writes each piece there
 * before it sends it. The process waits for a client that is slow, so that nothing is lost and Ctrl-C is not far behind,
 * but not for one that has stalled: that one finds the rest in the log, as far as it is kept.
 */
export class LogTail implements StreamReader, AsyncIterable<Output> {
  onRoom: () => void = () => {};
  readonly finished: Promise<void>;

  private readonly cursor: LogCursor;
  private readonly output: LogOutput;
  private finish!: () => void;
  private wake?: () => void;
  /** Bytes that the process wrote since the log was last read to its end, less what the client took. */
  private behind = 0;
  private stalled = false;
  private patience?: NodeJS.Timeout;
  private ended = false;
  private discarded = false;
  private isRead = false;
  /** Something came since the log was last looked at: the look may have been too early for it. */
  private hasNews = false;

  constructor(
    files: LogFiles,
    from: LogPosition,
    private readonly selected: Record<AttachStream, boolean>,
    private readonly stalledMs = STALLED_MS,
  ) {
    this.cursor = new LogCursor(files, from);
    this.output = new LogOutput({ ...selected, timestamps: false });
    this.finished = new Promise((resolve) => (this.finish = resolve));
  }

  /** Of the file that is being read. */
  get sequence(): number {
    return this.cursor.position.sequence;
  }

  get full(): boolean {
    return this.behind >= BEHIND && !this.stalled;
  }

  /** A container that is removed when it ends takes its log along: what is open by then is read all the same. */
  begin(): void {
    if (!this.discarded) this.cursor.open();
  }

  push(stream: AttachStream, data: Buffer): void {
    if (this.ended || !this.selected[stream]) return;
    this.behind += data.length;
    if (this.full) this.patience ??= setTimeout(() => this.stall(), this.stalledMs);
    this.notify();
  }

  end(): void {
    this.ended = true;
    this.notify();
  }

  discard(): void {
    this.discarded = true;
    this.behind = 0;
    clearTimeout(this.patience);
    this.end();
    this.finish();
    this.onRoom();
    if (!this.isRead) this.cursor.close();
  }

  /** @throws DataLoss where the log was rotated away before a client that had stalled came back */
  async *[Symbol.asyncIterator](): AsyncGenerator<Output> {
    this.isRead = true;
    try {
      for (;;) {
        await outputTurn();
        if (this.discarded) return;
        // Asked before reading: what was written before the end is then read for sure.
        const last = this.ended;
        this.hasNews = false;
        const block = await this.cursor.next();
        if (this.cursor.missed) throw dataLoss('the client was too slow: the log has been rotated meanwhile');
        for (const piece of block.length > 0 ? this.output.render(block) : []) {
          yield piece;
          this.took(piece.data.length);
        }
        if (block.length > 0) continue;
        this.took(this.behind);
        if (last) return;
        if (!this.ended && !this.hasNews) await new Promise<void>((resolve) => (this.wake = resolve));
      }
    } finally {
      clearTimeout(this.patience);
      this.finish();
      this.cursor.close();
    }
  }

  private took(bytes: number): void {
    const before = this.full;
    this.behind = Math.max(0, this.behind - bytes);
    clearTimeout(this.patience);
    this.patience = this.full ? setTimeout(() => this.stall(), this.stalledMs) : undefined;
    if (this.behind < BEHIND) this.stalled = false;
    if (before && !this.full) this.onRoom();
  }

  private stall(): void {
    this.stalled = true;
    this.onRoom();
  }

  private notify(): void {
    this.hasNews = true;
    this.wake?.();
    this.wake = undefined;
  }
}
