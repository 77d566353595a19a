import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { RelayTarget } from './relay-streams';

/** As long as the kernel remembers a UDP exchange, and docker-proxy. */
const IDLE_MS = 90_000;
/** Of one port. Who comes when there are as many takes the place of the one that was silent longest. */
const MAX_CLIENTS = 1_024;

interface Exchange {
  socket: Socket;
  timer: NodeJS.Timeout;
}

/** Carries datagrams to the container, each sender from a socket of its own, and the answers back. Answers how to stop. */
export function relayDatagrams({ fd, address, port }: RelayTarget): () => Promise<void> {
  // In the order in which they were last heard of.
  const exchanges = new Map<string, Exchange>();
  const listening = createSocket('udp6');
  const end = (key: string): void => {
    const exchange = exchanges.get(key);
    exchanges.delete(key);
    clearTimeout(exchange?.timer);
    exchange?.socket.close();
  };
  const begin = (key: string, client: RemoteInfo): Exchange => {
    const [oldest] = exchanges.keys();
    if (oldest !== undefined && exchanges.size >= MAX_CLIENTS) end(oldest);
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    const exchange = { socket, timer: setTimeout(() => end(key), IDLE_MS) };
    socket.on('error', () => end(key));
    socket.on('message', (answer) => {
      exchange.timer.refresh();
      listening.send(answer, client.port, client.address, () => {});
    });
    // Bound to the container: nobody else's datagrams are taken for its answers.
    socket.connect(port, address);
    return exchange;
  };
  listening.on('error', () => {});
  listening.on('message', (message, client) => {
    const key = `${client.address} ${client.port}`;
    const exchange = exchanges.get(key) ?? begin(key, client);
    exchanges.delete(key);
    exchanges.set(key, exchange);
    exchange.timer.refresh();
    const send = (): void => exchange.socket.send(message, () => {});
    if (isConnected(exchange.socket)) send();
    else exchange.socket.once('connect', send);
  });
  listening.bind({ fd });
  return () =>
    new Promise((resolve) => {
      for (const key of [...exchanges.keys()]) end(key);
      listening.close(() => resolve());
    });
}

function isConnected(socket: Socket): boolean {
  try {
    socket.remoteAddress();
    return true;
  } catch {
    return false;
  }
}
