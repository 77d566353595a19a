import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';

/** How long a server has before the next is asked as well. */
const HEAD_START_MS = 500;
const TIMEOUT_MS = 4_000;

/** Asks the servers in their order, the next as soon as one is slow; the first answer counts. undefined: none came. */
export async function askUpstream(
  servers: readonly string[],
  query: Buffer,
  overTcp: boolean,
): Promise<Buffer | undefined> {
  const ask = overTcp ? askOverTcp : askOverUdp;
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const attempts = servers.map(async (server, position) => {
    await headStart(position * HEAD_START_MS, signal);
    return ask(server, query, signal);
  });
  try {
    return await Promise.any(attempts);
  } catch {
    return undefined;
  } finally {
    stop.abort();
  }
}

function headStart(ms: number, signal: AbortSignal): Promise<void> {
  return ms === 0
    ? Promise.resolve()
    : new Promise((resolve, reject) => {
        const timer = setTimeout(resolve, ms);
        signal.addEventListener('abort', () => {
          clearTimeout(timer);
          reject(new Error('given up'));
        });
      });
}

function askOverUdp(server: string, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    // An id of our own: the container's may be guessable.
    const id = randomInt(65_536);
    const sent = withId(query, id);
    const end = (error?: Error) => {
      signal.removeEventListener('abort', aborted);
      socket.close();
      if (error) reject(error);
    };
    const aborted = () => end(new Error('given up'));
    signal.addEventListener('abort', aborted);
    socket.on('error', end);
    socket.on('message', (message) => {
      if (message.length < 12 || message.readUInt16BE(0) !== id) return;
      end();
      resolve(withId(message, query.readUInt16BE(0)));
    });
    // Connected, so that only this server's answers arrive.
    socket.connect(53, server, () => socket.send(sent));
  });
}

function askOverTcp(server: string, query: Buffer, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: server, port: 53 });
    const chunks: Buffer[] = [];
    const aborted = () => socket.destroy(new Error('given up'));
    signal.addEventListener('abort', aborted);
    socket.on('error', reject);
    socket.on('close', () => {
      signal.removeEventListener('abort', aborted);
      reject(new Error('connection closed'));
    });
    socket.on('connect', () => socket.write(framed(query)));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      const [message] = unframed(Buffer.concat(chunks)).messages;
      if (!message) return;
      resolve(Buffer.from(message));
      socket.destroy();
    });
  });
}

/** DNS over TCP (RFC 1035, 4.2.2): each message after its length in two bytes. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** The whole messages in `bytes`, and what is left over. */
export function unframed(bytes: Buffer): { messages: Buffer[]; rest: Buffer } {
  const messages: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 2) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (bytes.length < end) break;
    messages.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return { messages, rest: bytes.subarray(at) };
}

function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}
