import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { createLinux } from '@gantry/shared/linux';
import { relayDatagrams } from './relay-datagrams';
import { relayStreams } from './relay-streams';
import { isRelayed } from './relayed-ports';

const { sockets } = createLinux();
const bound = (protocol: 'tcp' | 'udp') => sockets.reservePort({ protocol, address: '::1', port: 0 });

it.each([
  ['tcp', '0.0.0.0', '10.0.0.2', false],
  ['tcp', '::', '10.0.0.2', true],
  ['udp', 'fd00::9', '10.0.0.2', true],
  ['tcp', 'fd00::9', 'fd00::2', false],
  ['tcp', '::', 'fd00::2', true],
  ['tcp', '::1', 'fd00::2', true],
  ['tcp', '0.0.0.0', 'fd00::2', true],
  ['sctp', '::', '10.0.0.2', false],
] as const)('%s from %s to %s needs the relay: %s', (protocol, hostIp, address, relayed) => {
  expect(isRelayed({ protocol, hostIp, address, hostPort: 1, containerPort: 1 })).toBe(relayed);
});

describe('streams', () => {
  let server: Server;
  let stop: () => Promise<void>;
  let from: number;

  beforeAll(async () => {
    // Answers everything at the end of what it is sent.
    server = createServer({ allowHalfOpen: true }, (socket) => {
      const parts: Buffer[] = [];
      socket.on('data', (part) => parts.push(part));
      socket.on('error', () => {});
      socket.on('end', () => socket.end(Buffer.concat(parts)));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { fd, port } = bound('tcp');
    from = port;
    stop = relayStreams({ fd, address: '127.0.0.1', port: (server.address() as AddressInfo).port });
  });

  const exchange = async (sent: Buffer): Promise<Buffer> => {
    const client = connect({ host: '::1', port: from, allowHalfOpen: true });
    const parts: Buffer[] = [];
    client.on('data', (part) => parts.push(part));
    client.end(sent);
    await once(client, 'close');
    return Buffer.concat(parts);
  };

  it('carries both ways, whole, and half-closes', async () => {
    const sent = Buffer.alloc(3_000_000, 'abcdefg');
    expect((await exchange(sent)).equals(sent)).toBe(true);
  });

  it('resets who comes when nobody listens in the container', async () => {
    await new Promise((resolve) => server.close(resolve));
    const client = connect({ host: '::1', port: from });
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  it('lets the port go', async () => {
    await stop();
    const client = connect({ host: '::1', port: from });
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });
});

it('carries datagrams of several senders, and each its answers', async () => {
  const server = createSocket('udp4', (message, { port, address }) =>
    server.send(`re ${message.toString()}`, port, address),
  );
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const { fd, port } = bound('udp');
  const stop = relayDatagrams({ fd, address: '127.0.0.1', port: server.address().port });
  const ask = async (client: UdpSocket, text: string): Promise<string> => {
    client.send(text, port, '::1');
    const [answer] = (await once(client, 'message')) as [Buffer];
    return answer.toString();
  };
  const [one, two] = [createSocket('udp6'), createSocket('udp6')];
  const answers = await Promise.all([ask(one, 'one'), ask(two, 'two')]);
  expect([...answers, await ask(one, 'again')]).toEqual(['re one', 're two', 're again']);
  await stop();
  for (const socket of [server, one, two]) socket.close();
});
