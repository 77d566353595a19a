import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@gantry/shared/logging';
import { FileChanges } from '../file-changes';
import { currentSize, LogCursor, type LogPosition } from '../logs/log-files';
import type { MonitorLogFiles } from '../logs/monitor-log-files';
import type { LogSink } from './log-driver';

/** How a delivery makes its sink; `state` is of the one before. */
export type OpenSink = (state: object | undefined, checkpoint: (state: object) => void) => Promise<LogSink>;

interface Checkpoint {
  position: LogPosition;
  sink: object;
}

const SAVE_EVERY_MS = 500;
/** What a busy container writes in this time is delivered together. */
const GATHER_MS = 10;
const RETRY_MS = 1_000;

/**
 * Takes one container's output from the monitor's files to the sink of its log driver, from where the last checkpoint on
 * disk says. Neither the container nor its monitor ever waits for it.
 */
export class LogDelivery {
  /** Resolves when all is delivered after {@link finish}, or after {@link abort}. */
  readonly done: Promise<void>;
  /** All of the run is delivered. */
  complete = false;

  private readonly aborted = new AbortController();
  private readonly changes: FileChanges;
  private waiting: (() => void)[] = [];
  private finishing = false;
  private saved = 0;

  private constructor(
    private readonly files: MonitorLogFiles,
    private readonly statePath: string,
    private readonly options: DeliveryOptions,
    private readonly logger: Logger,
    first: Attempt,
  ) {
    this.changes = new FileChanges(files.current);
    this.done = this.run(first).finally(() => {
      this.changes.close();
      this.release();
    });
  }

  /** @throws what the first opening of the sink throws */
  static async begin(
    files: MonitorLogFiles,
    statePath: string,
    options: DeliveryOptions,
    logger: Logger,
  ): Promise<LogDelivery> {
    return new LogDelivery(files, statePath, options, logger, await attempt(files, statePath, options));
  }

  /** Resolves when what the monitor has written by now is delivered; of a run that is over, all of it. */
  caughtUp(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      if (this.aborted.signal.aborted) this.release();
      this.changes.poke();
    });
  }

  /** The container's run is over. */
  finish(): void {
    this.finishing = true;
    this.changes.poke();
  }

  /** What is not delivered yet is left for the next one. */
  abort(): void {
    this.aborted.abort();
    this.changes.poke();
  }

  private async run(first: Attempt): Promise<void> {
    let current: Attempt | undefined = first;
    while (!this.aborted.signal.aborted) {
      try {
        current ??= await attempt(this.files, this.statePath, this.options);
        await this.deliver(current);
        this.complete = !this.aborted.signal.aborted;
        return;
      } catch (error) {
        if (this.aborted.signal.aborted) return;
        this.logger.warn({ err: error, log: this.files.current }, 'log not delivered, trying again');
        await sleep(RETRY_MS, undefined, { signal: this.aborted.signal }).catch(() => {});
      } finally {
        current?.cursor.close();
        await current?.sink.close();
        current = undefined;
      }
    }
  }

  private async deliver(current: Attempt): Promise<void> {
    const { signal } = this.aborted;
    for (;;) {
      // Asked before reading: what was written before the end is then read for sure.
      const last = this.finishing;
      const waiting = this.waiting.splice(0);
      const before = current.taken;
      for (;;) {
        this.dropIfBehind(current);
        const block = await current.cursor.next();
        if (block.length === 0) break;
        await current.sink.take(block, signal);
        if (signal.aborted) return;
        current.taken = current.cursor.position;
        if (Date.now() - this.saved >= SAVE_EVERY_MS) await this.checkpoint(current);
      }
      // The last line of a run may have no end: it is there when the run is told to be over.
      if (this.finishing) this.waiting.push(...waiting);
      else for (const resolve of waiting) resolve();
      if (last) break;
      if (current.taken !== before && !this.finishing) await this.changes.pause(GATHER_MS);
      else await this.untilChanged(current);
      if (signal.aborted) return;
    }
    await current.sink.runEnded(signal);
    await this.checkpoint(current);
  }

  /** With a checkpoint on the way where the last one is old. */
  private async untilChanged(current: Attempt): Promise<void> {
    const due = setTimeout(() => this.changes.poke(), SAVE_EVERY_MS);
    if (!current.unsaved()) clearTimeout(due);
    await this.changes.next();
    clearTimeout(due);
    if (current.unsaved() && Date.now() - this.saved >= SAVE_EVERY_MS) await this.checkpoint(current);
  }

  private async checkpoint(current: Attempt): Promise<void> {
    current.save(current.sink.state());
    this.saved = Date.now();
    if (!this.options.takesFilesAway) return;
    const before = current.taken.sequence - 1;
    for (const sequence of this.files.rotated()) {
      if (sequence >= before || this.options.isHeld(sequence, before - sequence)) continue;
      await rm(this.files.path(sequence), { force: true });
    }
  }

  /** `mode=non-blocking`: what does not fit in the buffer while the driver is away is dropped, the oldest first. */
  private dropIfBehind(current: Attempt): void {
    const { buffer } = this.options;
    if (buffer === Infinity) return;
    const { sequence, position } = current.taken;
    const size = currentSize(this.files) ?? 0;
    const newest = (this.files.rotated().at(-1) ?? 0) + 1;
    if (sequence >= newest && size - position <= buffer) return;
    if (sequence < newest && size < buffer) return;
    current.cursor.close();
    current.moveTo({ sequence: newest, position: Math.max(0, size - buffer) });
  }

  private release(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

export interface DeliveryOptions {
  open: OpenSink;
  /** Bytes that may wait for the sink; Infinity: all. */
  buffer: number;
  /** Nobody else needs the monitor's files once they are delivered. */
  takesFilesAway: boolean;
  /** Whether somebody else reads one of them; `newer`: how many files came after it. */
  isHeld: (sequence: number, newer: number) => boolean;
}

/** A sink and a place to go on from, until one of them fails. */
class Attempt {
  private savedAt: LogPosition;

  constructor(
    private readonly files: MonitorLogFiles,
    private readonly statePath: string,
    readonly sink: LogSink,
    public taken: LogPosition,
    public cursor: LogCursor,
  ) {
    this.savedAt = taken;
  }

  unsaved(): boolean {
    return this.savedAt !== this.taken;
  }

  save(sink: object): void {
    saveCheckpoint(this.statePath, { position: this.taken, sink });
    this.savedAt = this.taken;
  }

  /** To the first line at or behind it. */
  moveTo(position: LogPosition): void {
    this.taken = position;
    this.cursor = new LogCursor(this.files, position);
  }
}

async function attempt(
  files: MonitorLogFiles,
  statePath: string,
  options: DeliveryOptions,
): Promise<Attempt> {
  const saved = readCheckpoint(statePath);
  const position = saved?.position ?? { sequence: 0, position: 0 };
  const holder: { attempt?: Attempt } = {};
  const sink = await options.open(saved?.sink, (state) => holder.attempt?.save(state));
  holder.attempt = new Attempt(files, statePath, sink, position, new LogCursor(files, position));
  return holder.attempt;
}

function readCheckpoint(path: string): Checkpoint | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Checkpoint;
  } catch {
    return undefined; // none yet
  }
}

function saveCheckpoint(path: string, checkpoint: Checkpoint): void {
  try {
    writeFileSync(`${path}.new`, JSON.stringify(checkpoint), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {
    // The container is being removed, or the disk is full: what is delivered twice then is better than nothing.
  }
}
