import { closeSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { SystemError } from './errno';
import { libc } from './native';
import { newPipeHandle } from './pipe-handle';

/** conmon's prefix byte of a packet. */
export type AttachStream = 'stdout' | 'stderr';

/**
 * conmon's attach socket. Events by {@link onPacket} and {@link onEnd}; an attached client that does not read stops
 * the container, so while paused the packets pile up here and in the kernel.
 */
export interface AttachConnection {
  /** Set before the first await after connecting; the buffer belongs to the listener. */
  onPacket(listener: (stream: AttachStream, data: Buffer) => void): void;
  /** Once, after the last packet: the container's output has ended or the connection is broken. */
  onEnd(listener: (error?: Error) => void): void;
  /** To the container's stdin. Wait for each call before the next; resolves when the kernel took all of it. */
  write(data: Buffer): Promise<void>;
  /** End of the container's stdin; output goes on. */
  closeWrite(): void;
  pause(): void;
  resume(): void;
  close(): void;
}

const recv = libc.declare('long recv(int fd, void *buffer, unsigned long length, int flags)');

const MSG_DONTWAIT = 0x40;
/** conmon reads stdin in pieces of 32 KiB; a larger packet would lose its rest. */
const LARGEST_WRITE = 32 * 1024;
const STREAMS: Record<number, AttachStream> = { 2: 'stdout', 3: 'stderr' };

/**
 * A SOCK_SEQPACKET socket that libuv takes for a stream. Packets survive that because libuv does one read a packet; see
 * {@link AttachSocket.drain} and {@link AttachSocket.write} for the two places where they would not.
 */
export class AttachSocket implements AttachConnection {
  private readonly socket: Socket;
  private readonly fd: number;
  private packetListener: (stream: AttachStream, data: Buffer) => void = () => undefined;
  private endListener: (error?: Error) => void = () => undefined;
  private failure?: Error;
  private outputEnded = false;
  private reported = false;
  private writing: Promise<void> = Promise.resolve();

  /** Takes over a connected descriptor. */
  constructor(fd: number) {
    this.fd = fd;
    const handle = newPipeHandle();
    const failed = handle.open(fd);
    if (failed < 0) {
      closeSync(fd);
      throw new SystemError(-failed, 'uv_pipe_open', 'attach socket');
    }
    // `handle` is how node:net itself wraps descriptors; it is not in its public types.
    this.socket = new Socket({
      handle,
      readable: true,
      writable: true,
      allowHalfOpen: true,
    } as SocketConstructorOpts);
    this.socket.on('data', (packet: Buffer) => this.deliver(packet));
    this.socket.on('end', () => this.drain());
    this.socket.on('error', (error) => (this.failure = error));
    this.socket.on('close', () => this.report());
  }

  onPacket(listener: (stream: AttachStream, data: Buffer) => void): void {
    this.packetListener = listener;
  }

  onEnd(listener: (error?: Error) => void): void {
    this.endListener = listener;
    if (this.reported) listener(this.failure);
  }

  /** One packet at a time: libuv would join queued writes into one packet that is too long for the socket. */
  write(data: Buffer): Promise<void> {
    const written = this.writing.then(() => this.writePackets(data));
    this.writing = written.catch(() => undefined);
    return written;
  }

  closeWrite(): void {
    void this.writing.then(() => this.socket.end());
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(): void {
    this.socket.destroy();
  }

  private async writePackets(data: Buffer): Promise<void> {
    for (let at = 0; at < data.length; at += LARGEST_WRITE) {
      const packet = data.subarray(at, at + LARGEST_WRITE);
      await new Promise<void>((resolve, reject) => {
        this.socket.write(packet, (error) => (error ? reject(error) : resolve()));
      });
    }
  }

  private deliver(packet: Buffer): void {
    const stream = STREAMS[packet[0] ?? 0];
    if (stream && packet.length > 1) this.packetListener(stream, packet.subarray(1));
  }

  /** libuv reports the end on a hang-up after a short read, although packets may still wait in the kernel. */
  private drain(): void {
    if (this.outputEnded) return;
    this.outputEnded = true;
    const buffer = Buffer.allocUnsafe(64 * 1024);
    for (;;) {
      const length = recv(this.fd, buffer, buffer.length, MSG_DONTWAIT);
      if (length <= 0) break;
      this.deliver(Buffer.from(buffer.subarray(0, length)));
    }
    this.report();
    this.socket.destroy();
  }

  private report(): void {
    if (this.reported) return;
    this.reported = true;
    this.endListener(this.failure);
  }
}
