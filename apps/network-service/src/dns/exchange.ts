import { randomInt } from 'node:crypto';
import type { Socket as UdpSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { framed, unframed } from './framing';

const PORT = 53;
const HEADER = 12;

/** Sockets of the network that a server is asked from. */
export interface OutgoingSockets {
  udp(server: string): Promise<UdpSocket>;
  /** Not connected yet. */
  tcp(server: string): Promise<Socket>;
}

/** One question to one server; the answer bears the query's id. Rejects when the server cannot be reached, or on abort. */
export async function askOverUdp(
  server: string,
  query: Buffer,
  sockets: OutgoingSockets,
  signal: AbortSignal,
): Promise<Buffer> {
  const socket = await sockets.udp(server);
  return new Promise((resolve, reject) => {
    // An id of our own: the container's may be guessable.
    const id = randomInt(65_536);
    let ended = false;
    const end = (error?: Error): void => {
      if (ended) return;
      ended = true;
      signal.removeEventListener('abort', aborted);
      socket.close();
      if (error) reject(error);
    };
    const aborted = (): void => end(new Error('given up'));
    socket.on('error', end);
    socket.on('message', (message) => {
      if (!isAnswer(message, id, query)) return;
      end();
      resolve(withId(message, query.readUInt16BE(0)));
    });
    if (signal.aborted) return aborted();
    signal.addEventListener('abort', aborted);
    // Connected, so that only this server's answers arrive. Not by a callback: that is called without a route too, not connected.
    socket.on('connect', () => socket.send(withId(query, id)));
    socket.connect(PORT, server);
  });
}

export async function askOverTcp(
  server: string,
  query: Buffer,
  sockets: OutgoingSockets,
  signal: AbortSignal,
): Promise<Buffer> {
  const socket = await sockets.tcp(server);
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const aborted = (): void => void socket.destroy(new Error('given up'));
    socket.on('error', reject);
    socket.on('close', () => {
      signal.removeEventListener('abort', aborted);
      reject(new Error('connection closed'));
    });
    socket.on('connect', () => socket.write(framed(query)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const [message] = unframed(received).messages;
      if (!message) return;
      if (isAnswer(message, query.readUInt16BE(0), query)) resolve(Buffer.from(message));
      socket.destroy();
    });
    if (signal.aborted) return aborted();
    signal.addEventListener('abort', aborted);
    socket.connect(PORT, server);
  });
}

/** Whether a message answers just this question (RFC 5452): servers may change the case of its letters. */
function isAnswer(message: Buffer, id: number, query: Buffer): boolean {
  if (message.length < HEADER || message.readUInt16BE(0) !== id || ((message[2] ?? 0) & 0x80) === 0)
    return false;
  const end = questionEnd(query);
  const question = (bytes: Buffer): string => bytes.toString('latin1', HEADER, end).toLowerCase();
  // Some servers leave the question out when they refuse.
  return message.readUInt16BE(4) === 0 || question(message) === question(query);
}

function questionEnd(query: Buffer): number {
  let at = HEADER;
  while (at < query.length && query[at] !== 0) at += 1 + (query[at] ?? 0);
  return at + 5;
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
