import type { Readable, Writable } from 'node:stream';
import type { AttachConnection, AttachStream } from '@gantry/shared/linux';

/** What a process left running in the background may hold its output for ever: how long it is listened to. Milliseconds. */
const LATE_OUTPUT_MS = 100;

/** The standard streams of a process as three pipes; the same to its user as the attach socket of a monitor. */
export class PipeConnection implements AttachConnection {
  private readonly outputs: [AttachStream, Readable][];
  private packetListener: (stream: AttachStream, data: Buffer) => void = () => undefined;
  private endListener: (error?: Error) => void = () => undefined;
  private open: number;
  private paused = false;
  private ending = false;
  /** Since it was last asked. */
  private heard = false;

  /** Nothing is read before {@link begin}. */
  constructor(
    stdout: Readable,
    stderr: Readable,
    private readonly stdin?: Writable,
  ) {
    this.outputs = [
      ['stdout', stdout],
      ['stderr', stderr],
    ];
    this.open = this.outputs.length;
    for (const [, output] of this.outputs) {
      output.on('error', () => output.destroy());
      output.once('close', () => {
        if (--this.open === 0) this.end();
      });
    }
    stdin?.on('error', () => stdin.destroy());
  }

  begin(): void {
    for (const [stream, output] of this.outputs) {
      output.on('data', (data: Buffer) => {
        this.heard = true;
        this.packetListener(stream, data);
      });
      if (this.paused) output.pause();
    }
  }

  /** The process has ended: its output ends when all of it was read, whoever else may still hold the pipes. */
  processEnded(): void {
    this.ending = true;
    this.endWhenSilent();
  }

  onPacket(listener: (stream: AttachStream, data: Buffer) => void): void {
    this.packetListener = listener;
  }

  onEnd(listener: (error?: Error) => void): void {
    this.endListener = listener;
    if (this.open === 0) listener();
  }

  write(data: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.stdin) return resolve();
      this.stdin.write(data, (error) => (error ? reject(error) : resolve()));
    });
  }

  closeWrite(): void {
    this.stdin?.end();
  }

  pause(): void {
    this.paused = true;
    for (const [, output] of this.outputs) output.pause();
  }

  resume(): void {
    this.paused = false;
    for (const [, output] of this.outputs) output.resume();
    if (this.ending) this.endWhenSilent();
  }

  close(): void {
    for (const [, output] of this.outputs) output.destroy();
    this.stdin?.destroy();
  }

  private endWhenSilent(): void {
    if (this.open === 0 || this.paused) return;
    this.heard = false;
    setTimeout(() => (this.heard ? this.endWhenSilent() : !this.paused && this.close()), LATE_OUTPUT_MS);
  }

  private end(): void {
    this.stdin?.destroy();
    this.endListener();
  }
}
