import type { AttachConnection } from '@gantry/shared/linux';
import type { StreamReader } from './stream-reader';

/**
 * The standard streams of one process: one connection to its monitor, shared by all who are attached. While one of them
 * is full nothing is read for any, and in the end the process waits, as with dockerd.
 */
export class ProcessStreams {
  /** Resolves after the last output was handed to the readers. */
  readonly ended: Promise<void>;
  /** Resolves when all output is on its way to those who were attached in the end. */
  readonly delivered: Promise<void>;

  private readonly readers = new Set<StreamReader>();
  private over = false;
  private paused = false;
  private stdinClosed = false;

  constructor(private readonly connection: AttachConnection) {
    connection.onPacket((stream, data) => {
      for (const reader of this.readers) reader.push(stream, data);
      this.balance();
    });
    let deliver: (readers: Promise<void>[]) => void;
    this.delivered = new Promise<Promise<void>[]>((resolve) => (deliver = resolve))
      .then((all) => Promise.all(all))
      .then(() => undefined);
    this.ended = new Promise((resolve) => {
      connection.onEnd(() => {
        this.over = true;
        deliver([...this.readers].map(({ finished }) => finished));
        for (const reader of this.readers) reader.end();
        this.readers.clear();
        resolve();
      });
    });
  }

  /** From now on the reader gets all output. */
  add(reader: StreamReader): void {
    if (this.over) return reader.end();
    this.readers.add(reader);
    reader.onRoom = () => this.balance();
  }

  remove(reader: StreamReader): void {
    this.readers.delete(reader);
    reader.discard();
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
    const behind = [...this.readers].some((reader) => reader.full);
    if (behind === this.paused || this.over) return;
    this.paused = behind;
    if (behind) this.connection.pause();
    else this.connection.resume();
  }
}
