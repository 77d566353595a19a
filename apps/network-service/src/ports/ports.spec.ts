import { closeSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { createLinux } from '@gantry/shared/linux';
import { PortAllocator } from './port-allocator';
import { portRequests } from './port-requests';
import type { PortRequest } from '../records/sandbox-record';

const request = (hostPort: number, hostIp = '', more: Partial<PortRequest> = {}): PortRequest => ({
  protocol: 'tcp',
  containerPort: 80,
  hostIp,
  hostPortFirst: hostPort,
  hostPortLast: hostPort,
  ...more,
});

describe('portRequests', () => {
  it('reads bindings, ranges and protocols', () => {
    const bindings = {
      '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8000-8010' }, { HostPort: '' }],
      '53/udp': [{ HostPort: '5353' }],
      '9': null,
    };
    expect(portRequests(bindings, [], false)).toEqual([
      request(8000, '127.0.0.1', { hostPortLast: 8010 }),
      request(0),
      request(5353, '', { protocol: 'udp', containerPort: 53 }),
    ]);
  });

  it('publishes all exposed ports that have no binding', () => {
    expect(portRequests({ '80/tcp': [{ HostPort: '8080' }] }, ['80/tcp', '81/udp'], true)).toEqual([
      request(8080),
      request(0, '', { protocol: 'udp', containerPort: 81 }),
    ]);
  });

  it.each([
    [{ 'x/tcp': [{}] }, 'invalid port specification: "x/tcp"'],
    [{ '80/ip': [{}] }, 'invalid proto: ip'],
    [{ '80/tcp': [{ HostPort: '9-8' }] }, 'invalid port specification: "9-8"'],
    [{ '80/tcp': [{ HostIp: 'nope' }] }, 'invalid IP address: nope'],
    [{ '80/tcp': [{ HostIp: '[::1]' }] }, 'invalid IP address: [::1]'],
  ])('refuses %j', (bindings, message) => {
    expect(() => portRequests(bindings, [], false)).toThrow(message);
  });
});

describe('PortAllocator', () => {
  const allocator = new PortAllocator(createLinux());
  const free = async (): Promise<number> => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return port;
  };

  it('gives a port once, whatever the address, and again after its release', async () => {
    const port = await free();
    const taken = allocator.allocate([request(port, '127.0.0.1')], { ipv4: '10.0.0.2' });
    expect(() => allocator.allocate([request(port)], { ipv4: '10.0.0.3' })).toThrow(
      `Bind for 0.0.0.0:${port} failed: port is already allocated`,
    );
    allocator.release(taken);
    allocator.release(allocator.allocate([request(port)], { ipv4: '10.0.0.3' }));
  });

  it('takes all ports or none', async () => {
    const [one, two] = [await free(), await free()];
    const taken = allocator.allocate([request(two)], { ipv4: '10.0.0.2' });
    expect(() => allocator.allocate([request(one), request(two)], { ipv4: '10.0.0.3' })).toThrow(
      'already allocated',
    );
    allocator.release(allocator.allocate([request(one)], { ipv4: '10.0.0.3' }));
    allocator.release(taken);
  });

  it('sees a port that a process of the host has', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    expect(() => allocator.allocate([request(port)], { ipv4: '10.0.0.2' })).toThrow(
      `failed to bind host port for 0.0.0.0:${port}:10.0.0.2:80/tcp: address already in use`,
    );
    await new Promise((resolve) => server.close(resolve));
  });

  it('keeps processes of the host off the port', async () => {
    // Not the first of the range: other engines on the host try that one too.
    const port = await free();
    const taken = allocator.allocate([request(port)], { ipv4: '10.0.0.2' });
    const sockets = createLinux().sockets;
    for (const address of ['127.0.0.1', '::1']) {
      expect(() => sockets.bind({ protocol: 'tcp', address, port })).toThrow('EADDRINUSE');
    }
    allocator.release(taken);
    for (const address of ['127.0.0.1', '::1'])
      closeSync(sockets.bind({ protocol: 'tcp', address, port }).fd);
  });

  it('takes the first free port of a range', async () => {
    const port = await free();
    const range = [request(port, '127.0.0.1', { hostPortLast: port + 20 })];
    const first = allocator.allocate(range, { ipv4: '10.0.0.2' });
    const second = allocator.allocate(range, { ipv4: '10.0.0.3' });
    expect(first[0]!.hostPort).toBe(port);
    expect(second[0]!.hostPort).toBeGreaterThan(port);
    allocator.release([...first, ...second]);
  });

  it('publishes on both families at once, where no address is named', () => {
    const taken = allocator.allocate([request(0)], { ipv4: '10.0.0.2', ipv6: 'fd00::2' });
    const hostPort = taken[0]!.hostPort;
    expect(taken).toEqual([
      { protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0', hostPort, address: '10.0.0.2' },
      { protocol: 'tcp', containerPort: 80, hostIp: '::', hostPort, address: 'fd00::2' },
    ]);
    expect(() => allocator.allocate([request(hostPort, '::1')], { ipv4: '10.0.0.3' })).toThrow(
      `Bind for [::1]:${hostPort} failed: port is already allocated`,
    );
    allocator.release(taken);
  });

  it('keeps the families apart, where one is named', () => {
    const four = allocator.allocate([request(0, '0.0.0.0')], { ipv4: '10.0.0.2' });
    const six = allocator.allocate([request(four[0]!.hostPort, '::')], { ipv4: '10.0.0.3' });
    expect([...four, ...six].map(({ hostIp, address }) => [hostIp, address])).toEqual([
      ['0.0.0.0', '10.0.0.2'],
      ['::', '10.0.0.3'],
    ]);
    allocator.release([...four, ...six]);
  });

  it('passes over a port that only one family has free', async () => {
    const port = await free();
    const taken = allocator.allocate([request(port, '::')], { ipv4: '10.0.0.2' });
    const range = [request(port, '', { hostPortLast: port + 20 })];
    const others = allocator.allocate(range, { ipv4: '10.0.0.3' });
    expect(others[0]!.hostPort).toBeGreaterThan(port);
    allocator.release([...taken, ...others]);
  });

  it('gives SCTP ports once, even if the kernel has no SCTP', async () => {
    const sctp = [request(await free(), '', { protocol: 'sctp' })];
    const taken = allocator.allocate(sctp, { ipv4: '10.0.0.2' });
    expect(() => allocator.allocate(sctp, { ipv4: '10.0.0.3' })).toThrow('port is already allocated');
    allocator.release(taken);
  });

  it('publishes SCTP only between addresses of one family: nothing translates it', () => {
    const sctp = (hostIp: string) => [request(0, hostIp, { protocol: 'sctp' })];
    const taken = allocator.allocate(sctp(''), { ipv4: '10.0.0.2' });
    expect(taken.map(({ hostIp }) => hostIp)).toEqual(['0.0.0.0']);
    allocator.release(taken);
    expect(() => allocator.allocate(sctp('::'), { ipv4: '10.0.0.2' })).toThrow(
      'SCTP ports on :: need a container with the same IP version',
    );
  });
});
