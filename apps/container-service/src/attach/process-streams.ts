import type { AttachConnection } from '@gantry/shared/linux';
import type { OutputQueue } from './output-queue';

/**
 * The standard streams of one process: one connection to its monitor, shared by all who are attached. While one of them
 * is behind by a full queue nothing is read for any, and in the end the process waits: as with dockerd, a reader that
 * stalls loses nothing.
 */
export class ProcessStreams {
  /** Resolves after the last output was handed to the queues. */
  readonly ended: Promise<void>;
  /** Resolves when all output is on its way to those who were attached in the end. */
  readonly delivered: Promise<void>;

  private readonly queues = new Set<OutputQueue>();
  private over = false;
  private paused = false;
  private stdinClosed = false;

  constructor(private readonly connection: AttachConnection) {
    connection.onPacket((stream, data) => {
      for (const queue of this.queues) queue.push(stream, data);
      this.balance();
    });
    let deliver: (queues: Promise<void>[]) => void;
    this.delivered = new Promise<Promise<void>[]>((resolve) => (deliver = resolve))
      .then((all) => Promise.all(all))
      .then(() => undefined);
    this.ended = new Promise((resolve) => {
      connection.onEnd(() => {
        this.over = true;
        deliver([...this.queues].map(({ finished }) => finished));
        for (const queue of this.queues) queue.end();
        this.queues.clear();
        resolve();
      });
    });
  }

  /** From now on the queue gets all output. */
  add(queue: OutputQueue): void {
    if (this.over) return queue.end();
    this.queues.add(queue);
    queue.onRoom = () => this.balance();
  }

  remove(queue: OutputQueue): void {
    this.queues.delete(queue);
    queue.discard();
    this.balance();
  }

  /** Resolves when the monitor took the bytes; input for a process that is gone, or whose stdin is closed, is dropped. */
  async write(data: Buffer): Promise<void> {
    if (this.over || this.stdinClosed) return;
    await this.connection.write(data).catch(() => {
      this.stdinClosed = true;
    });
  }

  closeStdin(): void {
    if (this.over || this.stdinClosed) return;
    this.stdinClosed = true;
    this.connection.closeWrite();
  }

  close(): void {
    this.connection.close();
  }

  private balance(): void {
    const behind = [...this.queues].some((queue) => queue.full);
    if (behind === this.paused || this.over) return;
    this.paused = behind;
    if (behind) this.connection.pause();
    else this.connection.resume();
  }
}
