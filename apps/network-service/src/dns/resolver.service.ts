import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { decode, type Packet } from 'dns-packet';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { NetworkThread } from '../kernel/network-thread';
import { SandboxRegistry } from '../records/sandbox-registry';
import { HostResolver } from '../resolv/host-resolver';
import { cutAnswer, encodeAnswer, localAnswer, nameError, noData, serverFailure, udpLimit } from './answer';
import { framed, unframed } from './framing';
import { containerSockets, hostSockets } from './outgoing-sockets';
import { ServiceDirectory } from './service-directory';
import { Upstream } from './upstream';

const TCP_IDLE_MS = 10_000;
const LARGEST_MESSAGE = 65_535;
/** Questions that wait for servers outside, of all containers together. */
const MAX_ASKING = 2_048;
/** And of one container: it shall not take the answers away from all others. */
const MAX_ASKING_EACH = 256;

interface Listening {
  netnsPath: string;
  udp: UdpSocket;
  tcp: Server;
  connections: Set<Socket>;
  /** Questions that wait for servers outside. */
  asking: number;
}

/**
 * The resolver at 127.0.0.11 of every container on a network of the user's. Its sockets are made inside the container's
 * namespace and served here; that is all it takes for one process to answer in all of them.
 */
@Injectable()
export class ResolverService implements OnApplicationShutdown {
  private readonly listening = new Map<string, Listening>();
  private readonly upstream = new Upstream();
  private turn = 0;
  private asking = 0;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly thread: NetworkThread,
    private readonly directory: ServiceDirectory,
    private readonly sandboxes: SandboxRegistry,
    private readonly hostResolver: HostResolver,
  ) {}

  isOpen(containerId: string): boolean {
    return this.listening.has(containerId);
  }

  /** @param port where it listened before. Answers where it listens. */
  async open(containerId: string, netnsPath: string, port?: number): Promise<number> {
    const sockets = await this.thread.stack.openResolver(netnsPath, port);
    const udp = createSocket('udp4');
    const tcp = createServer();
    const connections = new Set<Socket>();
    this.listening.set(containerId, { netnsPath, udp, tcp, connections, asking: 0 });
    const failed = (err: Error) => this.logger.warn({ err: err.message, container: containerId }, 'resolver');
    udp.on('error', failed).on('message', (message, from) => {
      void this.answer(containerId, message, false).then((reply) => {
        if (reply && this.isOpen(containerId)) udp.send(reply, from.port, from.address, () => {});
      });
    });
    tcp.on('error', failed).on('connection', (connection) => {
      connections.add(connection);
      connection.on('close', () => connections.delete(connection));
      this.serve(containerId, connection);
    });
    udp.bind({ fd: sockets.udp });
    tcp.listen({ fd: sockets.tcp });
    return sockets.port;
  }

  close(containerId: string): void {
    const listening = this.listening.get(containerId);
    this.listening.delete(containerId);
    listening?.udp.close();
    listening?.tcp.close();
    for (const connection of listening?.connections ?? []) connection.destroy();
  }

  onApplicationShutdown(): void {
    for (const containerId of [...this.listening.keys()]) this.close(containerId);
  }

  private serve(containerId: string, connection: Socket): void {
    let pending: Buffer = Buffer.alloc(0);
    connection.setTimeout(TCP_IDLE_MS, () => connection.destroy());
    connection.on('error', () => connection.destroy());
    connection.on('data', (chunk) => {
      const { messages, rest } = unframed(Buffer.concat([pending, chunk]));
      pending = Buffer.from(rest);
      for (const message of messages) {
        void this.answer(containerId, Buffer.from(message), true).then((reply) => {
          if (reply && connection.writable) connection.write(framed(reply));
        });
      }
    });
  }

  /** undefined for what is no query. */
  private async answer(containerId: string, message: Buffer, overTcp: boolean): Promise<Buffer | undefined> {
    let query: Packet;
    try {
      query = decode(message);
    } catch {
      return undefined;
    }
    if (query.type !== 'query') return undefined;
    const limit = overTcp ? LARGEST_MESSAGE : udpLimit(query);
    const names = {
      addresses: (name: string) => this.directory.addresses(containerId, name),
      nameOf: (address: string) => this.directory.nameOf(containerId, address),
    };
    const local = localAnswer(query, names, this.turn++);
    if (local) return encodeAnswer(local, limit);
    const outside = await this.askOutside(containerId, query, message, overTcp);
    if (!Buffer.isBuffer(outside)) return encodeAnswer(outside, limit);
    return cutAnswer(query, outside, limit);
  }

  private async askOutside(
    containerId: string,
    query: Packet,
    message: Buffer,
    overTcp: boolean,
  ): Promise<Buffer | Packet> {
    if (!this.directory.mayAskOutside(containerId)) return nameError(query);
    const own = this.sandboxes.get(containerId)?.resolver ?? { servers: [], search: [], options: [] };
    // Who sets ndots wants short names to be completed, and not to be asked for as they are.
    if (isShort(query) && own.options.some((option) => /^ndots:[1-9]/.test(option))) return noData(query);
    const listening = this.listening.get(containerId);
    if (!listening || listening.asking >= MAX_ASKING_EACH || this.asking >= MAX_ASKING)
      return serverFailure(query);
    const servers = own.servers.length > 0 ? own.servers : this.hostResolver.serversOfHost();
    const sockets = own.servers.length > 0 ? containerSockets(this.thread, listening.netnsPath) : hostSockets;
    this.asking++;
    listening.asking++;
    try {
      return (await this.upstream.ask(servers, message, sockets, overTcp)) ?? serverFailure(query);
    } finally {
      this.asking--;
      listening.asking--;
    }
  }
}

function isShort({ questions }: Packet): boolean {
  const [question] = questions ?? [];
  return (question?.type === 'A' || question?.type === 'AAAA') && !question.name.includes('.');
}
