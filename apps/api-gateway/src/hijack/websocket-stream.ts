import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { invalidArgument } from '@gantry/shared/errors';
import { CLOSED, closeFrame, encodeFrame, FrameReader, Opcode } from './websocket-frames';

/** RFC 6455, 1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The value of Sec-WebSocket-Accept. @throws InvalidArgument where the client does not ask for a WebSocket */
export function acceptKey({ headers }: IncomingMessage): string {
  const key = headers['sec-websocket-key'];
  if (headers.upgrade?.toLowerCase() !== 'websocket' || !key) throw invalidArgument('not websocket protocol');
  if (headers['sec-websocket-version'] !== '13') throw invalidArgument('missing or bad WebSocket Version');
  return createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64');
}

/**
 * The bytes of a WebSocket, both ways: what clients send in text or binary frames, and binary frames to them. A WebSocket
 * has no half-close: when the client closes, it is gone.
 */
export class WebSocketStream extends Duplex {
  private readonly frames = new FrameReader();

  constructor(
    private readonly socket: Socket,
    early: Buffer,
  ) {
    super({ allowHalfOpen: true });
    socket.on('data', (data: Buffer) => this.received(data));
    socket.once('end', () => this.destroy());
    socket.once('close', () => this.destroy());
    if (early.length > 0) this.received(early);
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.socket.write(encodeFrame(Opcode.binary, chunk), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.socket.end(closeFrame(CLOSED.normally), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.socket.destroySoon();
    done(error);
  }

  private received(data: Buffer): void {
    try {
      for (const { opcode, payload } of this.frames.push(data)) {
        if (opcode === Opcode.close) return this.hangUp(CLOSED.normally);
        if (opcode === Opcode.ping) this.socket.write(encodeFrame(Opcode.pong, payload));
        else if (opcode !== Opcode.pong && payload.length > 0 && !this.push(payload)) this.socket.pause();
      }
    } catch {
      this.hangUp(CLOSED.protocolError);
    }
  }

  private hangUp(code: number): void {
    if (this.socket.writable && !this.socket.writableEnded) this.socket.write(closeFrame(code));
    this.destroy();
  }
}
