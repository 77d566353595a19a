import { createSocket, type SocketType } from 'node:dgram';
import { isIPv6, Socket } from 'node:net';
import type { NetworkThread } from '../kernel/network-thread';
import type { OutgoingSockets } from './exchange';

const typeFor = (server: string): SocketType => (isIPv6(server) ? 'udp6' : 'udp4');

/** The host's own network. */
export const hostSockets: OutgoingSockets = {
  udp: async (server) => createSocket(typeFor(server)),
  tcp: async () => new Socket(),
};

/** A container's network: what it was told to ask may be reachable from there alone. */
export function containerSockets(thread: NetworkThread, netnsPath: string): OutgoingSockets {
  const open = (protocol: 'tcp' | 'udp', server: string): Promise<number> =>
    thread.stack.outgoingSocket(netnsPath, protocol, isIPv6(server) ? 6 : 4);
  return {
    udp: async (server) => {
      const fd = await open('udp', server);
      const socket = createSocket(typeFor(server));
      // Takes the descriptor over at once.
      socket.bind({ fd });
      return socket;
    },
    tcp: async (server) => new Socket({ fd: await open('tcp', server) }),
  };
}
