import { request, type Agent, type IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

export interface Answer<T = unknown> {
  status: number;
  headers: IncomingHttpHeaders;
  /** Parsed where it is JSON, the text otherwise. */
  body: T;
  text: string;
}

/** The REST API over a unix socket, as plainly as possible: no client library between the test and the wire. */
export class EngineClient {
  constructor(
    readonly socketPath: string,
    private readonly version = '',
    private readonly agent?: Agent,
  ) {}

  get<T = unknown>(path: string): Promise<Answer<T>> {
    return this.call<T>('GET', path);
  }

  /** An object goes as JSON, a Buffer as a tar. */
  post<T = unknown>(path: string, body?: object | Buffer): Promise<Answer<T>> {
    return this.call<T>('POST', path, body);
  }

  put<T = unknown>(path: string, body?: object | Buffer): Promise<Answer<T>> {
    return this.call<T>('PUT', path, body);
  }

  delete<T = unknown>(path: string): Promise<Answer<T>> {
    return this.call<T>('DELETE', path);
  }

  head(path: string): Promise<Answer> {
    return this.call('HEAD', path);
  }

  call<T>(method: string, path: string, body?: object | Buffer): Promise<Answer<T>> {
    const payload = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          socketPath: this.socketPath,
          agent: this.agent,
          method,
          path: this.version + path,
          headers: payload ? { 'content-type': type, 'content-length': payload.length } : {},
        },
        (incoming) => {
          const parts: Buffer[] = [];
          incoming.on('data', (part: Buffer) => parts.push(part));
          incoming.once('error', reject);
          incoming.once('end', () => {
            const text = Buffer.concat(parts).toString();
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: parse(text) as T,
              text,
            });
          });
        },
      );
      outgoing.once('error', reject);
      outgoing.end(payload);
    });
  }

  /** Hijacks with `Upgrade: tcp`: the raw socket after 101, with what came along with the header put back. */
  upgrade(path: string, body?: object): Promise<{ socket: Socket; headers: IncomingHttpHeaders }> {
    const payload = body ? Buffer.from(JSON.stringify(body)) : undefined;
    return new Promise((resolve, reject) => {
      const outgoing = request({
        socketPath: this.socketPath,
        method: 'POST',
        path: this.version + path,
        headers: {
          connection: 'Upgrade',
          upgrade: 'tcp',
          ...(payload ? { 'content-type': 'application/json', 'content-length': payload.length } : {}),
        },
      });
      outgoing.once('upgrade', (incoming, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve({ socket: socket as Socket, headers: incoming.headers });
      });
      outgoing.once('response', (incoming) =>
        reject(new Error(`answered ${incoming.statusCode} instead of 101`)),
      );
      outgoing.once('error', reject);
      outgoing.end(payload);
    });
  }
}

/** Everything a hijacked connection says until it closes, split by stream (API: "Stream format"). */
export async function readFrames(socket: Socket): Promise<{ stdout: string; stderr: string }> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return splitFrames(Buffer.concat(parts));
}

export function splitFrames(all: Buffer): { stdout: string; stderr: string } {
  const streams: Buffer[][] = [[], [], []];
  for (let at = 0; at + 8 <= all.length;) {
    const length = all.readUInt32BE(at + 4);
    streams[all[at] ?? 0]?.push(all.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return {
    stdout: Buffer.concat(streams[1] ?? []).toString(),
    stderr: Buffer.concat(streams[2] ?? []).toString(),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
