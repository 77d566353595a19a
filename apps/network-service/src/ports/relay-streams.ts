import { createServer, connect, type Socket } from 'node:net';

export interface RelayTarget {
  /** A bound socket of the host, taken over. */
  fd: number;
  /** The container's. */
  address: string;
  port: number;
}

/** Accepts connections and carries each on to the container, half-closes and resets included. Answers how to stop. */
export function relayStreams({ fd, address, port }: RelayTarget): () => Promise<void> {
  const open = new Set<Socket>();
  const track = (socket: Socket): void => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const container = connect({ host: address, port, allowHalfOpen: true, noDelay: true });
    for (const [one, other] of [
      [client, container],
      [container, client],
    ] as const) {
      track(one);
      one.on('error', () => other.resetAndDestroy());
      one.once('close', () => other.destroySoon());
      one.pipe(other);
    }
  });
  // A descriptor that cannot be listened on serves nobody; the port stays held.
  server.on('error', () => server.close());
  server.listen({ fd, backlog: 4096 });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of open) socket.destroy();
    });
}
