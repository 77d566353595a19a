import { closeSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLinux } from '@gantry/shared/linux';
import { baseTable } from '../firewall/base-table';
import { networkRules } from '../firewall/network-rules';
import { portElements } from '../firewall/port-elements';
import { addPart, removePart } from '../firewall/table';
import type { NetworkRecord } from '../records/network-record';
import { adoptNamespace } from '../sandboxes/adopt-namespace';
import { largePieces } from './large-pieces';
import { NetworkStack } from './network-stack';
import type { InterfacePlan } from './plans';

/* Everything happens in a namespace of its own that plays the host, so that the real host's network stays untouched. */

const linux = createLinux();
const directory = mkdtempSync(join(tmpdir(), 'gantry-net-'));
const host = join(directory, 'host');
const path = (name: string): string => join(directory, name);
let stack: NetworkStack;
let servers: Server[] = [];

const onHost = <T>(action: (stack: NetworkStack) => T): T =>
  linux.namespaces.withinNetworkNamespace(host, () => action(stack));

const subnet = (subnet: string, gateway: string) => ({
  subnet,
  gateway,
  auxiliaryAddresses: {},
});
const network = (id: string, link: string, number: number): NetworkRecord => ({
  id: id.repeat(64),
  name: id,
  driver: 'bridge',
  created: '',
  ipv4: true,
  ipv6: true,
  internal: false,
  attachable: false,
  configOnly: false,
  configFrom: '',
  labels: {},
  options: {},
  ipam: {
    driver: 'default',
    options: {},
    config: [
      subnet(`10.${number}.0.0/24`, `10.${number}.0.1`),
      subnet(`fd00:${number}::/64`, `fd00:${number}::1`),
    ],
  },
  link,
});
const firewall = baseTable();
const first = network('a', 'tbr1', 71);
const second = network('b', 'tbr2', 72);

const plan = (hostLink: string, parent: string, ...addresses: string[]): InterfacePlan => ({
  kind: 'veth',
  hostLink,
  alias: `test:${hostLink}`,
  parent,
  name: 'eth0',
  mac: `02:42:0a:00:00:${hostLink.slice(-2)}`,
  addresses,
});

/** A server inside a namespace that says its name and hangs up. */
async function serve(
  name: string,
  port: number,
  address = '0.0.0.0',
  answer: (socket: Socket) => string = () => name,
): Promise<void> {
  const { fd } = linux.namespaces.withinNetworkNamespace(path(name), () =>
    linux.sockets.bind({ protocol: 'tcp', address, port }),
  );
  const server = createServer((socket) => socket.end(answer(socket))).listen({ fd });
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
}

/** What a connection from inside a namespace reads; empty when it does not come about. */
async function read(from: string, address: string, port: number): Promise<string> {
  const script = `exec 3<>/dev/tcp/${address}/${port} && cat <&3`;
  const result = await linux.processes.run([
    'nsenter',
    `--net=${from}`,
    'timeout',
    '2',
    'bash',
    '-c',
    script,
  ]);
  return result.stdout;
}

const routes = (ipv4: string, ipv6: string, interfaceName = 'eth0') => [
  { family: 4 as const, gateway: ipv4, interfaceName },
  { family: 6 as const, gateway: ipv6, interfaceName },
];

beforeAll(() => {
  linux.namespaces.createNetworkNamespace(host);
  linux.namespaces.withinNetworkNamespace(host, () => {
    stack = new NetworkStack(linux);
    stack.prepareHost();
    const socket = linux.netlink.open();
    socket.send([{ type: 'set-link', link: 'lo', up: true }]);
    socket.close();
    stack.prepareIpv6();
    for (const [name, number] of [
      ['tbr1', 71],
      ['tbr2', 72],
    ] as const) {
      const addresses = [`10.${number}.0.1/24`, `fd00:${number}::1/64`];
      stack.ensureBridge({ name, alias: `test:${name}`, addresses, ipv6: true });
    }
    for (const one of [first, second]) addPart(firewall, networkRules(one));
    stack.reconcileFirewall('gtest', firewall);
    for (const [name, link, parent, number, host] of [
      ['one', 'vtest0001', 'tbr1', 71, 2],
      ['two', 'vtest0002', 'tbr1', 71, 3],
      ['other', 'vtest0003', 'tbr2', 72, 2],
    ] as const) {
      stack.buildSandbox({
        path: path(name),
        interfaces: [plan(link, parent, `10.${number}.0.${host}/24`, `fd00:${number}::${host}/64`)],
        defaultRoutes: routes(`10.${number}.0.1`, `fd00:${number}::1`),
      });
    }
  });
});

afterEach(() => {
  for (const server of servers) server.close();
  servers = [];
});

afterAll(() => {
  onHost((stack) => stack.dropSandboxes(['one', 'two', 'other', 'adopted', 'world'].map(path)));
  stack.close();
  linux.namespaces.removeNetworkNamespace(host);
  rmSync(directory, { recursive: true });
});

it('connects the sandboxes of one network, and keeps networks apart', async () => {
  await serve('one', 80);
  expect(await read(path('two'), '10.71.0.2', 80)).toBe('one');
  expect(await read(host, '10.71.0.2', 80)).toBe('one');
  expect(await read(path('other'), '10.71.0.2', 80)).toBe('');
});

it('does the same for IPv6, and routes it', async () => {
  await serve('one', 84, '::');
  expect(await read(path('two'), 'fd00:71::2', 84)).toBe('one');
  expect(await read(host, 'fd00:71::2', 84)).toBe('one');
  expect(await read(path('other'), 'fd00:71::2', 84)).toBe('');
});

it('hides containers behind the host, in both families', async () => {
  onHost((stack) => {
    // A bridge that is no network of ours plays the link to the world.
    stack.ensureBridge({
      name: 'uplink',
      alias: 'test:uplink',
      addresses: ['192.0.2.1/24', '2001:db8::1/64'],
      ipv6: true,
    });
    stack.buildSandbox({
      path: path('world'),
      interfaces: [plan('vtest0006', 'uplink', '192.0.2.2/24', '2001:db8::2/64')],
      defaultRoutes: [],
    });
  });
  for (const address of ['0.0.0.0', '::'])
    await serve('world', 86, address, (socket) => socket.remoteAddress ?? '');
  expect(await read(path('one'), '192.0.2.2', 86)).toBe('192.0.2.1');
  expect(await read(path('one'), '2001:db8::2', 86)).toBe('2001:db8::1');
});

it.each(['made', 'found', 'left'])(
  'keeps the MAC of a bridge that was %s, whatever ports come and go',
  (origin) => {
    const name = `tb${origin}`;
    const bridge = { name, alias: `test:${name}`, addresses: [], ipv6: false };
    onHost((stack) => {
      const socket = linux.netlink.open();
      const mac = () => socket.link(name)?.mac;
      const port = {
        type: 'add-veth',
        name: 'vlow',
        mac: '02:00:00:00:00:01',
        peer: { name: 'vlowpeer' },
      } as const;
      if (origin !== 'made') socket.send([{ type: 'add-bridge', name, alias: bridge.alias }]);
      if (origin === 'left') {
        socket.send([{ ...port, master: socket.link(name)?.index }]);
        socket.send([{ type: 'delete-link', link: 'vlow' }]);
        expect(mac()).toBe('00:00:00:00:00:00');
      }
      stack.ensureBridge(bridge);
      const before = mac();
      expect(before).not.toBe('00:00:00:00:00:00');
      socket.send([{ ...port, master: socket.link(name)?.index }]);
      expect(mac()).toBe(before);
      socket.send([
        { type: 'delete-link', link: 'vlow' },
        { type: 'delete-link', link: name },
      ]);
      socket.close();
    });
  },
);

it('connects macvlan interfaces of a parent that leads nowhere', async () => {
  const macvlan = (name: string, address: string): InterfacePlan => ({
    kind: 'macvlan',
    parent: 'dm-test',
    name: 'eth2',
    mac: `02:42:0a:4a:00:${name === 'one' ? '02' : '03'}`,
    addresses: [address],
  });
  onHost((stack) => {
    for (let times = 0; times < 2; times++) stack.ensureParent({ name: 'dm-test', alias: 'test:dm' });
    stack.addInterface(path('one'), macvlan('one', '10.74.0.2/24'));
    stack.addInterface(path('other'), macvlan('other', '10.74.0.3/24'));
  });
  await serve('one', 85);
  expect(await read(path('other'), '10.74.0.2', 85)).toBe('one');
  onHost((stack) => {
    stack.removeLink('dm-test');
    expect([stack.hasLink('dm-test'), stack.hasLink('pm-test')]).toEqual([false, false]);
  });
  expect(await read(path('other'), '10.74.0.2', 85)).toBe('');
});

it('leads published ports to their container, from everywhere', async () => {
  await serve('one', 81);
  const ports = [
    { protocol: 'tcp', containerPort: 81, hostIp: '0.0.0.0', hostPort: 8081, address: '10.71.0.2' } as const,
    {
      protocol: 'tcp',
      containerPort: 81,
      hostIp: '127.0.0.1',
      hostPort: 8082,
      address: '10.71.0.2',
    } as const,
  ];
  addPart(firewall, portElements(ports));
  onHost((stack) => stack.reconcileFirewall('gtest', firewall));
  expect(await read(host, '127.0.0.1', 8081)).toBe('one');
  expect(await read(host, '127.0.0.1', 8082)).toBe('one');
  expect(await read(host, '10.71.0.1', 8081)).toBe('one');
  expect(await read(host, '10.71.0.1', 8082)).toBe('');
  expect(await read(path('two'), '10.71.0.1', 8081)).toBe('one');
  expect(await read(path('one'), '10.71.0.1', 8081)).toBe('one');
  expect(await read(path('other'), '10.72.0.1', 8081)).toBe('one');
  removePart(firewall, portElements(ports));
  onHost((stack) => stack.reconcileFirewall('gtest', firewall));
  expect(await read(host, '127.0.0.1', 8081)).toBe('');
});

it('adds and takes away an interface of a sandbox in use, with its default route', async () => {
  onHost((stack) =>
    stack.addInterface(path('one'), { ...plan('vtest0004', 'tbr2', '10.72.0.9/24'), name: 'eth1' }),
  );
  await serve('other', 83);
  expect(await read(path('one'), '10.72.0.2', 83)).toBe('other');
  onHost((stack) =>
    stack.setDefaultRoutes(path('one'), [{ family: 4, gateway: '10.72.0.1', interfaceName: 'eth1' }]),
  );
  onHost((stack) => stack.setDefaultRoutes(path('one'), routes('10.71.0.1', 'fd00:71::1')));
  onHost((stack) => stack.removeInterface(path('one'), 'eth1'));
  onHost((stack) => stack.removeInterface(path('one'), 'eth1'));
  expect(onHost((stack) => stack.hasLink('vtest0004'))).toBe(false);
  expect(await read(path('one'), '10.72.0.2', 83)).toBe('');
});

it('gives a pooled namespace its final name, and knows which files hold one', () => {
  adoptNamespace(linux, path('two'), path('adopted'));
  expect(stack.keptSandboxes([path('two'), path('adopted'), path('none')])).toHaveLength(2);
  onHost((stack) => stack.dropSandboxes([path('adopted')]));
  expect(existsSync(path('adopted'))).toBe(false);
  expect(stack.ownLinks('test:v').map((link) => link.name)).toContain('vtest0002');
});

it('hands over large pieces where nothing leaves the host', async () => {
  if (largePieces(linux.host) === undefined) return;
  onHost((stack) => {
    const inner = { ...plan('vtest0007', 'tbr1', '10.71.0.77/24'), name: 'eth7', staysOnHost: true };
    stack.addInterface(path('one'), inner);
  });
  const sizes = async (namespace: string, link: string): Promise<unknown> => {
    const show = ['nsenter', `--net=${namespace}`, 'ip', '-details', '-json', 'link', 'show', link];
    const [found] = JSON.parse((await linux.processes.run(show)).stdout) as { gso_max_size: number }[];
    return found?.gso_max_size;
  };
  const large = largePieces(linux.host);
  for (const link of ['tbr1', 'vtest0001', 'vtest0007']) expect(await sizes(host, link)).toBe(large);
  expect(await sizes(path('one'), 'eth7')).toBe(large);
  // What this one sends may have to go out by a network card.
  expect(await sizes(path('one'), 'eth0')).toBe(65_536);
  onHost((stack) => stack.removeInterface(path('one'), 'eth7'));
});

it('opens the resolver again at the port it had', () => {
  const opened = onHost((stack) => stack.openResolver(path('one')));
  closeSync(opened.udp);
  closeSync(opened.tcp);
  const again = onHost((stack) => stack.openResolver(path('one'), opened.port));
  expect(again.port).toBe(opened.port);
  closeSync(again.udp);
  closeSync(again.tcp);
});

it('leaves nothing of a sandbox that could not be built', () => {
  const build = () =>
    onHost((stack) =>
      stack.buildSandbox({
        path: path('broken'),
        interfaces: [plan('vtest0005', 'tbr1', '10.71.0.300/24')],
        defaultRoutes: [],
      }),
    );
  expect(build).toThrow();
  expect(existsSync(path('broken'))).toBe(false);
  expect(onHost((stack) => stack.hasLink('vtest0005'))).toBe(false);
});
