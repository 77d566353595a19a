import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import {
  createContainer,
  freshName,
  inspect,
  removeContainer,
  startContainer,
  type Inspected,
} from '../support/containers';
import { api, instance } from '../support/engine';
import { eventually } from '../support/eventually';
import { hasIpv6, itWithIpv6, loopbacks } from '../support/ipv6';
import { ask, serveEcho } from '../support/network-peer';

type Bindings = Record<string, { HostIp?: string; HostPort?: string }[]>;

const servers: ChildProcess[] = [];
const containers: string[] = [];
const networks: string[] = [];

/** A container with an echo server on port 7 of its network. */
async function echo(
  bindings: Bindings,
  host: object = {},
): Promise<Inspected & { port(key: string): number }> {
  const id = await startContainer({ host: { PortBindings: bindings, ...host } });
  containers.push(id);
  const inspected = await inspect(id);
  servers.push(await serveEcho(inspected.State.Pid, 7));
  const port = (key: string) => Number(inspected.NetworkSettings.Ports[key]?.[0]?.HostPort);
  return { ...inspected, port };
}

async function refusal(bindings: Bindings): Promise<string> {
  const id = await createContainer({ host: { PortBindings: bindings } });
  containers.push(id);
  const { status, body } = await api.post<{ message: string }>(`/containers/${id}/start`);
  expect(status).toBe(500);
  return body.message;
}

afterAll(async () => {
  for (const server of servers) server.kill();
  await Promise.all(containers.map((id) => removeContainer(id)));
  for (const network of networks) await api.delete(`/networks/${network}`);
});

describe('a port on every address', () => {
  let target: Awaited<ReturnType<typeof echo>>;
  let other: Inspected;
  const gateway = () => target.NetworkSettings.Networks['bridge']?.Gateway ?? '';

  beforeAll(async () => {
    target = await echo({ '7/tcp': [{}], '7/udp': [{}], '7/sctp': [{}] });
    other = await inspect(await startContainer({}));
    containers.push(other.Id);
  });

  it('is the same of both families', () => {
    for (const key of ['7/tcp', '7/udp']) {
      const HostPort = `${target.port(key)}`;
      expect(target.NetworkSettings.Ports[key]).toEqual([
        { HostIp: '0.0.0.0', HostPort },
        ...(hasIpv6 ? [{ HostIp: '::', HostPort }] : []),
      ]);
    }
    // Nothing could lead SCTP from IPv6 to a container without it.
    expect(target.NetworkSettings.Ports['7/sctp']?.map(({ HostIp }) => HostIp)).toEqual(['0.0.0.0']);
  });

  it.each(['tcp', 'udp'] as const)(
    '%s: is reached from the host by loopback and by an address, of both families',
    async (protocol) => {
      const port = target.port(`7/${protocol}`);
      const addresses = [...loopbacks, gateway()];
      const answers = addresses.map((address) => ask(protocol, address, port));
      expect(await Promise.all(answers)).toEqual(addresses.map(() => 'hello'));
    },
  );

  it.each(['tcp', 'udp'] as const)(
    '%s: is reached from another container and from itself',
    async (protocol) => {
      const port = target.port(`7/${protocol}`);
      const from = [other, target].map(({ State }) => ask(protocol, gateway(), port, { pid: State.Pid }));
      expect(await Promise.all(from)).toEqual(['hello', 'hello']);
    },
  );

  it("is refused to others, in dockerd's words", async () => {
    const HostPort = `${target.port('7/tcp')}`;
    for (const [HostIp, named] of [
      ['', '0.0.0.0'],
      ['127.0.0.1', '127.0.0.1'],
      ...(hasIpv6 ? [['::1', '[::1]']] : []),
    ]) {
      expect(await refusal({ '7/tcp': [{ HostIp, HostPort }] })).toContain(
        `Bind for ${named}:${HostPort} failed: port is already allocated`,
      );
    }
  });

  it('is there again at once when somebody has deleted the table; connections do not notice', async () => {
    const socket = connect(target.port('7/tcp'), '127.0.0.1');
    socket.write('before');
    expect((await once(socket, 'data'))[0].toString()).toBe('before');
    execFileSync('nft', ['delete', 'table', 'inet', instance.name]);
    await eventually(() =>
      execFileSync('nft', ['list', 'chain', 'inet', instance.name, 'forward'], { stdio: 'pipe' }),
    );
    expect(await ask('tcp', '127.0.0.1', target.port('7/tcp'))).toBe('hello');
    socket.write('after');
    expect((await once(socket, 'data'))[0].toString()).toBe('after');
    socket.destroy();
  });

  it('is put right when somebody has changed the table', async () => {
    const port = target.port('7/tcp');
    execFileSync('nft', [
      `delete element inet ${instance.name} published_any { tcp . ${port} }; flush chain inet ${instance.name} postrouting`,
    ]);
    await eventually(async () => expect(await ask('tcp', '127.0.0.1', port)).toBe('hello'));
  });
});

it('publishes on one address only', async () => {
  const { port, NetworkSettings } = await echo({ '7/tcp': [{ HostIp: '127.0.0.1' }] });
  const gateway = NetworkSettings.Networks['bridge']?.Gateway ?? '';
  expect(await ask('tcp', '127.0.0.1', port('7/tcp'))).toBe('hello');
  expect(await ask('tcp', gateway, port('7/tcp'))).toBe('ECONNREFUSED');
});

describe('the loopback of the host', () => {
  const inNetworkOf = (pid: number, lines: string[]): void => {
    execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, 'sh', '-ec', lines.join('\n')]);
  };
  /** From now on the namespace sends what is for 127.0.0.1 to that neighbour. */
  const routeLoopback = (pid: number, via: string): void =>
    inNetworkOf(pid, [
      'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet',
      'ip rule add pref 20 lookup local',
      'ip rule add pref 10 lookup 100',
      `ip route add 127.0.0.1/32 via ${via} table 100`,
      'ip rule del pref 0',
    ]);

  it('publishes nothing for neighbours who route it here (CVE-2025-54388)', async () => {
    const { port } = await echo({ '7/tcp': [{ HostIp: '127.0.0.1' }], '7/udp': [{}] });
    const neighbour = await inspect(await startContainer({ host: { NetworkMode: 'none' } }));
    containers.push(neighbour.Id);
    const { Pid: pid } = neighbour.State;
    const link = `nb${process.pid}`;
    for (const command of [
      `link add ${link} type veth peer name eth0 netns ${pid}`,
      `addr add 198.51.100.1/30 dev ${link}`,
      `link set ${link} up`,
    ])
      execFileSync('ip', command.split(' '));
    inNetworkOf(pid, ['ip addr add 198.51.100.2/30 dev eth0', 'ip link set eth0 up']);
    routeLoopback(pid, '198.51.100.1');
    expect(await ask('tcp', '127.0.0.1', port('7/tcp'), { pid })).toBe('timeout');
    expect(await ask('udp', '198.51.100.1', port('7/udp'), { pid })).toBe('hello');
    expect(await ask('tcp', '127.0.0.1', port('7/tcp'))).toBe('hello');
  });

  it('is not reached by containers through their bridge (CVE-2020-8558)', async () => {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { State, NetworkSettings, Id } = await inspect(await startContainer({}));
    containers.push(Id);
    routeLoopback(State.Pid, NetworkSettings.Networks['bridge']?.Gateway ?? '');
    expect(await ask('tcp', '127.0.0.1', port, { pid: State.Pid })).toBe('timeout');
    expect(await ask('tcp', '127.0.0.1', port)).toBe('hello');
    server.close();
  });
});

itWithIpv6('publishes on one address of IPv6 only', async () => {
  const { port } = await echo({ '7/udp': [{ HostIp: '::1' }] });
  expect(await ask('udp', '::1', port('7/udp'))).toBe('hello');
  expect(await ask('udp', '127.0.0.1', port('7/udp'))).toBe('ECONNREFUSED');
});

it('takes the next free port of a range', async () => {
  const first = await echo({ '7/tcp': [{ HostIp: '127.0.0.1' }] });
  const from = first.port('7/tcp');
  const range = { '7/tcp': [{ HostIp: '127.0.0.1', HostPort: `${from}-${from + 50}` }] };
  const second = await echo(range);
  expect(second.port('7/tcp')).toBeGreaterThan(from);
  expect(second.port('7/tcp')).toBeLessThanOrEqual(from + 50);
  expect(await ask('tcp', '127.0.0.1', second.port('7/tcp'))).toBe('hello');
});

it.each(loopbacks)('sees that a process of the host has the port on %s', async (address) => {
  const listener = createServer().listen(0, address);
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  expect(await refusal({ '7/tcp': [{ HostPort: `${port}` }] })).toMatch(
    new RegExp(`failed to bind host port for .*:${port}:.*:7/tcp: address already in use`),
  );
  listener.close();
});

itWithIpv6('leads IPv6 to a container that has it, and gives the port back at its end', async () => {
  const name = freshName('six');
  networks.push(name);
  await api.post('/networks/create', { Name: name, EnableIPv6: true });
  const target = await echo({ '7/tcp': [{}], '7/udp': [{}] }, { NetworkMode: name });
  const other = await inspect(await startContainer({ host: { NetworkMode: name } }));
  containers.push(other.Id);
  const { IPv6Gateway = '' } = target.NetworkSettings.Networks[name] ?? {};
  for (const protocol of ['tcp', 'udp'] as const) {
    const port = target.port(`7/${protocol}`);
    const answers = await Promise.all([
      ask(protocol, '::1', port),
      ask(protocol, IPv6Gateway, port),
      ask(protocol, IPv6Gateway, port, { pid: other.State.Pid }),
      ask(protocol, IPv6Gateway, port, { pid: target.State.Pid }),
    ]);
    expect(answers).toEqual(['hello', 'hello', 'hello', 'hello']);
  }
  const port = target.port('7/tcp');
  await removeContainer(target.Id);
  for (const address of ['127.0.0.1', '::1']) expect(await ask('tcp', address, port)).toBe('ECONNREFUSED');
  const listener = createServer().listen(port, '::');
  await once(listener, 'listening');
  listener.close();
});

it('leads a UDP client that never pauses to the next container that has the port', async () => {
  const first = await echo({ '7/udp': [{ HostIp: '127.0.0.1' }] });
  const port = first.port('7/udp');
  const elsewhere = freshName('next');
  networks.push(elsewhere);
  await api.post('/networks/create', { Name: elsewhere });
  const heard: string[] = [];
  const client = createSocket('udp4', (message) => heard.push(message.toString()));
  client.on('error', () => {}); // refused while nobody has the port
  client.connect(port, '127.0.0.1');
  await once(client, 'connect');
  let sent = 0;
  const sending = setInterval(() => client.send(`${sent++}`), 10);
  try {
    await eventually(() => expect(heard.length).toBeGreaterThan(0));
    servers.at(-1)?.kill();
    await removeContainer(first.Id);
    const before = sent;
    await echo({ '7/udp': [{ HostIp: '127.0.0.1', HostPort: `${port}` }] }, { NetworkMode: elsewhere });
    await eventually(() => expect(heard.some((each) => Number(each) > before)).toBe(true));
  } finally {
    clearInterval(sending);
    client.close();
  }
});
