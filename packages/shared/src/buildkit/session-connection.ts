import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { EngineError, type ErrorKind, unavailable } from '../errors';

/** Compressed flag and length (gRPC over HTTP/2, Length-Prefixed-Message). */
const PREFIX = 5;
const GRPC_OK = '0';
/** What clients say so of: a secret that they have not, content that they have, a service that they do not offer. */
const KINDS: Readonly<Record<string, ErrorKind>> = {
  '5': 'NotFound',
  '6': 'Conflict',
  '12': 'NotImplemented',
};

/** What a client says is percent-encoded, if it does as it should. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A name may have several values. */
export type Metadata = Record<string, string | string[]>;

/** Calls of a service that the client at the other end of a connection offers: it has dialled, and is the server. */
export class SessionConnection {
  private readonly http: ClientHttp2Session;
  /** Resolves when the client has gone. */
  readonly closed: Promise<void>;

  /** `always` goes with every call. */
  constructor(
    socket: Socket,
    private readonly always: Metadata = {},
  ) {
    this.http = connect('http://session', { createConnection: () => socket });
    this.http.on('error', () => {}); // `close` follows
    this.closed = new Promise((resolve) => this.http.once('close', resolve));
  }

  /** One message there, one back. @throws EngineError with what the client says */
  async ask(path: string, request: Uint8Array, metadata: Metadata = {}): Promise<Buffer> {
    const call = this.open(path, metadata);
    try {
      call.send(request);
      call.end();
      for await (const message of call.messages()) return message;
      throw unavailable(`${path}: no answer from the client`);
    } finally {
      call.cancel();
    }
  }

  /** A call with messages both ways. */
  open(path: string, metadata: Metadata): SessionCall {
    return new SessionCall(this.request(path, metadata), path);
  }

  /** The call as a stream of HTTP/2. */
  request(path: string, metadata: Metadata): ClientHttp2Stream {
    const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, HTTP2_HEADER_TE } = constants;
    return this.http.request({
      ...this.always,
      ...metadata,
      [HTTP2_HEADER_METHOD]: 'POST',
      [HTTP2_HEADER_PATH]: path,
      [HTTP2_HEADER_TE]: 'trailers',
      'content-type': 'application/grpc',
    });
  }

  close(): void {
    this.http.destroy();
  }
}

export class SessionCall {
  constructor(
    private readonly stream: ClientHttp2Stream,
    private readonly path: string,
  ) {
    stream.on('error', () => {}); // whoever reads sees it
  }

  /** False: the client has as much as it takes for now. */
  send(message: Uint8Array): boolean {
    if (this.stream.destroyed) return true;
    const prefix = Buffer.alloc(PREFIX);
    prefix.writeUInt32BE(message.length, 1);
    return this.stream.write(Buffer.concat([prefix, message]));
  }

  /** Sends, and waits until the client takes more. @throws Unavailable where it has gone */
  async sendWhole(message: Uint8Array): Promise<void> {
    if (this.stream.destroyed) throw unavailable(`${this.path}: the client has gone`);
    if (this.send(message)) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        this.stream.removeListener('drain', go);
        this.stream.removeListener('close', go);
        resolve();
      };
      this.stream.on('drain', go);
      this.stream.on('close', go);
    });
  }

  /** Half-closes: nothing more will be sent. */
  end(): void {
    this.stream.end();
  }

  cancel(): void {
    this.stream.close(constants.NGHTTP2_CANCEL);
  }

  /** What the client sends, to its end. @throws EngineError with what the client says */
  async *messages(): AsyncGenerator<Buffer> {
    const status = new Promise<void>((resolve, reject) => {
      const check = (headers: Record<string, unknown>): void => {
        const code = headers['grpc-status'];
        if (code === undefined) return;
        if (code === GRPC_OK) return resolve();
        const said = decoded(String(headers['grpc-message'] ?? code));
        reject(new EngineError(KINDS[String(code)] ?? 'InvalidArgument', said));
      };
      this.stream.once('response', check);
      this.stream.once('trailers', check);
      this.stream.once('close', () => reject(unavailable(`${this.path}: the client has gone`)));
    });
    status.catch(() => {});
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of this.stream as AsyncIterable<Buffer>) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      while (held.length >= PREFIX) {
        const end = PREFIX + held.readUInt32BE(1);
        if (held.length < end) break;
        yield held.subarray(PREFIX, end);
        held = held.subarray(end);
      }
    }
    await status;
  }
}
