import { closeSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, createConnection, AddressInfo, type Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttachConnection, AttachStream } from './attach-socket';
import { KernelNamespaces } from './namespaces';
import { KernelNetlink } from './netlink/kernel-netlink';
import { SeqpacketServer } from './seqpacket-server.fixture';
import { KernelSockets } from './sockets';

const sockets = new KernelSockets();
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sockets-'));
});

afterEach(() => rmSync(directory, { recursive: true }));

describe('ports', () => {
  it.each(['127.0.0.1', '::1'])('reserves a TCP and a UDP port on %s', (address) => {
    for (const protocol of ['tcp', 'udp'] as const) {
      const held = sockets.reservePort({ protocol, address, port: 0 });
      const again = { protocol, address, port: held.port };
      expect(() => sockets.reservePort(again)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
      closeSync(held.fd);
      closeSync(sockets.reservePort(again).fd);
    }
  });

  it('sees a port others listen on, and takes one that is only in TIME_WAIT', async () => {
    const server = createServer((connection) => connection.end());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const address = { protocol: 'tcp', address: '127.0.0.1', port } as const;
    expect(() => sockets.reservePort(address)).toThrow('EADDRINUSE');
    expect(() => sockets.reservePort({ ...address, address: '0.0.0.0' })).toThrow('EADDRINUSE');
    const client = createConnection(port, '127.0.0.1');
    client.resume();
    await once(client, 'close');
    await new Promise((resolve) => server.close(resolve));
    const held = sockets.reservePort(address);
    expect(() => sockets.reservePort(address)).toThrow('EADDRINUSE');
    const late = createServer();
    const [error] = (await once(
      late.listen(port, '127.0.0.1').on('listening', () => late.close()),
      'error',
    )) as [Error];
    expect(error.message).toContain('EADDRINUSE');
    // Who holds a port may listen on it, as node:net does by itself where there is no TIME_WAIT.
    sockets.listen(held.fd);
    const heir = createServer((connection) => connection.end('heir')).listen({ fd: held.fd });
    const visitor = createConnection(port, '127.0.0.1');
    const [said] = (await once(visitor, 'data')) as [Buffer];
    expect(said.toString()).toBe('heir');
    await new Promise((resolve) => heir.close(resolve));
  });

  it('answers DNS from inside another namespace', async () => {
    const namespaces = new KernelNamespaces();
    const path = join(directory, 'ns');
    namespaces.createNetworkNamespace(path);
    const inside = namespaces.withinNetworkNamespace(path, () => {
      const netlink = new KernelNetlink().open();
      netlink.send([{ type: 'set-link', link: 1, up: true }]);
      netlink.close();
      return [
        sockets.bind({ protocol: 'udp', address: '127.0.0.11', port: 53 }),
        sockets.bind({ protocol: 'udp', address: '127.0.0.1', port: 0 }),
      ] as const;
    });
    const [server, client] = [createSocket('udp4'), createSocket('udp4')];
    await Promise.all([
      new Promise<void>((resolve) => server.bind({ fd: inside[0].fd }, resolve)),
      new Promise<void>((resolve) => client.bind({ fd: inside[1].fd }, resolve)),
    ]);
    server.on('message', (message, from) => server.send(`re ${message}`, from.port, from.address));
    client.send('query', 53, '127.0.0.11');
    const [answer] = (await once(client, 'message')) as [Buffer];
    expect(answer.toString()).toBe('re query');
    server.close();
    client.close();
    namespaces.removeNetworkNamespace(path);
  });
});

it('knows what the other end of a unix socket has yet to read', async () => {
  const path = join(directory, 'socket');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const client = createConnection({ path }).pause();
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const { fd } = (accepted as unknown as { _handle: { fd: number } })._handle;
  expect(sockets.unread(fd)).toBe(0);
  accepted.write('head');
  expect(sockets.unread(fd)).toBeGreaterThan(0);
  client.resume();
  await once(client, 'data');
  expect(sockets.unread(fd)).toBe(0);
  accepted.destroy();
  server.close();
});

describe('the attach socket', () => {
  let server: SeqpacketServer;
  let connection: AttachConnection;
  let packets: [AttachStream, string][];
  let ended: Promise<Error | undefined>;

  const attach = async (path: string): Promise<number> => {
    server = new SeqpacketServer(path);
    connection = await sockets.connectAttach(path);
    packets = [];
    connection.onPacket((stream, data) => packets.push([stream, data.toString()]));
    ended = new Promise((resolve) => connection.onEnd(resolve));
    return server.accept();
  };

  afterEach(() => {
    connection.close();
    server.close();
  });

  it('keeps packets apart and loses none at a fast end', async () => {
    const peer = await attach(join(directory, 'attach'));
    for (let index = 0; index < 60; index++)
      server.send(peer, Buffer.from(`${index % 2 ? '\x02' : '\x03'}line ${index}`));
    server.hangUp(peer);
    expect(await ended).toBeUndefined();
    expect(packets).toHaveLength(60);
    expect(packets[0]).toEqual(['stderr', 'line 0']);
    expect(packets[59]).toEqual(['stdout', 'line 59']);
  });

  it('cuts writes into packets of 32 KiB, in order, and half-closes after the last', async () => {
    const peer = await attach(join(directory, 'attach'));
    const received: number[] = [];
    const data = Buffer.alloc(300 * 1024, 'x');
    const written = Promise.all([connection.write(data), connection.write(Buffer.from('end'))]);
    connection.closeWrite();
    for (;;) {
      const packet = await server.receive(peer);
      if (packet.length === 0) break;
      received.push(packet.length);
    }
    await written;
    expect(Math.max(...received)).toBe(32 * 1024);
    expect(received.at(-1)).toBe(3);
    expect(received.reduce((sum, length) => sum + length)).toBe(data.length + 3);
    server.send(peer, Buffer.from('\x02still here'));
    server.hangUp(peer);
    await ended;
    expect(packets).toEqual([['stdout', 'still here']]);
  });

  it('connects where the path is too long for an address', async () => {
    const deep = join(directory, 'd'.repeat(120));
    mkdirSync(deep);
    const before = process.cwd();
    process.chdir(deep);
    server = new SeqpacketServer('attach');
    process.chdir(before);
    connection = await sockets.connectAttach(join(deep, 'attach'));
    const peer = server.accept();
    const first = new Promise<string>((resolve) =>
      connection.onPacket((_, data) => resolve(data.toString())),
    );
    server.send(peer, Buffer.from('\x02hello'));
    expect(await first).toBe('hello');
  });

  it('says what is wrong when nobody is there', async () => {
    await attach(join(directory, 'attach'));
    await expect(sockets.connectAttach(join(directory, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
