import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
import type { PublishedPort } from '../records/sandbox-record';
import { PortAllocator } from './port-allocator';
import { isRelayed } from './relayed-ports';

/** To the relay's thread. `key` is known there from `open` to `close`. */
export type RelayCommand =
  | { open: { key: string; protocol: 'tcp' | 'udp'; fd: number; address: string; port: number }[] }
  | { close: string[]; turn: number };

/** From it: everything of a `close` is closed. */
export interface RelayAnswer {
  turn: number;
}

/**
 * Carries connections and datagrams that the kernel cannot lead to a container (see {@link isRelayed}). One thread for all
 * ports, started when the first one needs it; it listens on the sockets that hold the ports.
 */
@Injectable()
export class PortRelay implements OnApplicationShutdown {
  private worker?: Worker;
  private readonly closing = new Map<number, () => void>();
  private turn = 0;
  private stopping = false;

  constructor(
    @Inject(LINUX) private readonly linux: Pick<Linux, 'sockets'>,
    private readonly allocator: PortAllocator,
  ) {}

  /** Serves those of the ports that need it. Does not wait for the thread: the kernel keeps who comes early. */
  open(ports: readonly PublishedPort[]): void {
    const open = ports.filter(isRelayed).flatMap((port) => {
      const held = this.allocator.socketOf(port);
      if (held === undefined || port.protocol === 'sctp') return [];
      const { protocol, address, containerPort } = port;
      const fd = this.linux.sockets.duplicate(held);
      if (protocol === 'tcp') this.linux.sockets.listen(fd);
      return [{ key: keyOf(port), protocol, fd, address, port: containerPort }];
    });
    if (open.length > 0) this.send({ open });
  }

  /** When this resolves the ports' sockets are only the allocator's. Connections that are under way end. */
  async close(ports: readonly PublishedPort[]): Promise<void> {
    const close = ports.filter(isRelayed).map(keyOf);
    if (close.length === 0 || !this.worker) return;
    const turn = ++this.turn;
    await new Promise<void>((resolve) => {
      this.closing.set(turn, resolve);
      this.send({ close, turn });
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.worker?.terminate();
  }

  private send(command: RelayCommand): void {
    if (this.stopping) return;
    this.worker ??= this.start();
    this.worker.postMessage(command);
  }

  private start(): Worker {
    const worker = new Worker(join(__dirname, 'port-relay.worker.js'), {
      resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 8 },
      trackUnmanagedFds: false,
    });
    worker.on('message', ({ turn }: RelayAnswer) => {
      this.closing.get(turn)?.();
      this.closing.delete(turn);
    });
    worker.on('error', (error) => {
      throw error;
    });
    worker.on('exit', () => {
      if (!this.stopping) throw new Error('the port relay ended');
    });
    return worker;
  }
}

const keyOf = ({ protocol, hostIp, hostPort }: PublishedPort): string => `${protocol} ${hostIp} ${hostPort}`;
