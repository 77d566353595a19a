import { createSocket } from 'node:dgram';
import { connect, isIPv6, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { Linux, UnixDatagramSender } from '@gantry/shared/linux';
import { dialError, type RemoteAddress } from './remote-address';

/** A way to a log server that comes back by itself. */
export interface RemoteConnection {
  /** @throws Error in the words of Go's net.Dial */
  open(): Promise<void>;
  /**
   * Resolves when the kernel has all messages. A connection that breaks is made again, until `signal` or the retries are
   * over (the messages are then dropped), and all of them are sent again.
   */
  send(messages: Buffer[], signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface Retries {
  /** Attempts to connect again; Infinity: for ever. */
  max: number;
  /** Milliseconds between them. */
  pause: number;
}

const CONNECT_MS = 10_000;
/** While a local receiver is behind. Milliseconds. */
const BEHIND_MS = 10;

/** TCP, TLS and unix stream sockets. */
export class StreamConnection implements RemoteConnection {
  private socket?: Socket;

  /** `answered`: called after each batch with the socket, resolves when the server has said that it has it. */
  constructor(
    private readonly address: Exclude<RemoteAddress, { protocol: 'udp' | 'unixgram' }>,
    private readonly retries: Retries,
    private readonly tls: ConnectionOptions = {},
    private readonly answered?: (socket: Socket, signal: AbortSignal) => Promise<void>,
  ) {}

  async open(): Promise<void> {
    const { address } = this;
    const socket =
      'path' in address
        ? connect({ path: address.path })
        : address.protocol === 'tcp+tls'
          ? connectTls({ host: address.host, port: address.port, servername: address.host, ...this.tls })
          : connect({ host: address.host, port: address.port });
    socket.setTimeout(CONNECT_MS, () =>
      socket.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })),
    );
    await new Promise<void>((resolve, reject) => {
      socket.once(address.protocol === 'tcp+tls' ? 'secureConnect' : 'connect', resolve);
      socket.once('error', (error) => reject(dialError(address, error)));
    });
    socket.setTimeout(0);
    socket.on('error', () => {}); // the next write fails with it
    socket.once('close', () => {
      if (this.socket === socket) this.socket = undefined;
    });
    if (!this.answered) socket.resume(); // or its end would not be seen
    this.socket = socket;
  }

  async send(messages: Buffer[], signal: AbortSignal): Promise<void> {
    const data = Buffer.concat(messages);
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        if (!this.socket) await this.open();
        await this.write(data, signal);
        return;
      } catch {
        this.socket?.destroy();
        this.socket = undefined;
        if (tries >= this.retries.max) return;
        await sleep(this.retries.pause, undefined, { signal }).catch(() => {});
      }
    }
  }

  close(): void {
    this.socket?.end();
    this.socket?.unref();
    this.socket = undefined;
  }

  private async write(data: Buffer, signal: AbortSignal): Promise<void> {
    const { socket } = this;
    if (!socket) throw new Error('not connected');
    await new Promise<void>((resolve, reject) => {
      const stop = () => reject(new Error('stopped'));
      signal.addEventListener('abort', stop, { once: true });
      socket.write(data, (error) => {
        signal.removeEventListener('abort', stop);
        if (error) reject(error);
        else resolve();
      });
    });
    await this.answered?.(socket, signal);
  }
}

/** UDP: what nobody receives is lost, as UDP is. */
export class UdpConnection implements RemoteConnection {
  private readonly socket;

  constructor(private readonly address: Extract<RemoteAddress, { port: number }>) {
    this.socket = createSocket({ type: isIPv6(address.host) ? 'udp6' : 'udp4' });
    this.socket.on('error', () => {}); // a server that is not there
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('error', (error) => reject(dialError(this.address, error)));
      this.socket.connect(this.address.port, this.address.host, (error?: Error) =>
        error ? reject(dialError(this.address, error)) : resolve(),
      );
    });
  }

  async send(messages: Buffer[], signal: AbortSignal): Promise<void> {
    for (const message of messages) {
      if (signal.aborted) return;
      await new Promise<void>((resolve) => this.socket.send(message, () => resolve()));
    }
  }

  close(): void {
    this.socket.close();
  }
}

/** Datagrams to a unix socket of this host: /dev/log, the journal. */
export class UnixDatagramConnection implements RemoteConnection {
  private sender?: UnixDatagramSender;

  constructor(
    private readonly linux: Pick<Linux, 'sockets'>,
    private readonly path: string,
    private readonly retries: Retries,
  ) {}

  open(): Promise<void> {
    try {
      this.sender = this.linux.sockets.connectUnixDatagram(this.path);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(dialError({ protocol: 'unixgram', path: this.path }, error));
    }
  }

  async send(messages: Buffer[], signal: AbortSignal): Promise<void> {
    let tries = 0;
    for (let next = 0; next < messages.length && !signal.aborted;) {
      try {
        if (!this.sender) await this.open();
        if (this.sender?.send(messages[next] as Buffer)) next++;
        else await sleep(BEHIND_MS, undefined, { signal }).catch(() => {});
      } catch {
        this.close();
        if (tries++ >= this.retries.max) return;
        await sleep(this.retries.pause, undefined, { signal }).catch(() => {});
      }
    }
  }

  close(): void {
    this.sender?.close();
    this.sender = undefined;
  }
}
