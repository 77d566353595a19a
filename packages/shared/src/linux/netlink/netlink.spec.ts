import { closeSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KernelNamespaces } from '../namespaces';
import { addressBytes, addressText, macBytes, parsePrefix } from './addresses';
import { KernelNetlink } from './kernel-netlink';
import { NetlinkSocket } from './netlink';
import type { NetlinkRequest } from './requests';

const namespaces = new KernelNamespaces();
const netlink = new KernelNetlink();

describe('addresses', () => {
  it.each(['0.0.0.0', '172.17.0.2', '::', '::1', 'fe80::', 'fd00::1:2', '1:2:3:4:5:6:7:8', '1:0:0:4::8'])(
    'reads and writes %s',
    (address) => {
      expect(addressText(addressBytes(address))).toBe(address);
    },
  );

  it('shortens as RFC 5952 says', () => {
    expect(addressText(addressBytes('2001:0DB8:0:0:1:0:0:1'))).toBe('2001:db8::1:0:0:1');
    expect(addressText(addressBytes('::ffff:10.0.0.1'))).toBe('::ffff:a00:1');
  });

  it('refuses what is none', () => {
    expect(() => addressBytes('1.2.3')).toThrow(RangeError);
    expect(() => parsePrefix('10.0.0.0/33')).toThrow(RangeError);
    expect(() => macBytes('02:42')).toThrow(RangeError);
  });
});

describe('a socket', () => {
  let directory: string;
  let host: NetlinkSocket;
  let inside: NetlinkSocket;
  let container: number;

  // "host" is a namespace of its own too, so that nothing here touches the real one.
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'netlink-'));
    for (const name of ['host', 'container']) namespaces.createNetworkNamespace(join(directory, name));
    const open = (name: string): NetlinkSocket =>
      namespaces.withinNetworkNamespace(join(directory, name), () => netlink.open());
    [host, inside] = [open('host'), open('container')];
    container = namespaces.openNetworkNamespace(join(directory, 'container'));
  });

  afterEach(() => {
    host.close();
    inside.close();
    closeSync(container);
    for (const name of ['host', 'container']) namespaces.removeNetworkNamespace(join(directory, name));
    rmSync(directory, { recursive: true });
  });

  const mac = '02:42:ac:1f:00:02';
  const bridge: NetlinkRequest = { type: 'add-bridge', name: 'br0', index: 100, mtu: 1400, mac, up: true };

  it('connects a namespace to a bridge in two sends', () => {
    host.send([
      bridge,
      { type: 'add-address', link: 100, address: '172.31.0.1/16', broadcast: '172.31.255.255' },
      { type: 'add-address', link: 100, address: 'fd00:31::1/64', noDad: true },
      {
        type: 'add-veth',
        name: 'veth0',
        index: 101,
        master: 100,
        up: true,
        alias: 'of c1',
        peer: { name: 'eth0', index: 2, mac: '02:42:ac:1f:00:03', mtu: 1400, netns: container },
      },
      { type: 'set-port', link: 101, hairpin: true, isolated: true },
    ]);
    inside.send([
      { type: 'set-link', link: 1, up: true },
      { type: 'add-address', link: 2, address: '172.31.0.3/16' },
      { type: 'add-address', link: 2, address: 'fd00:31::3/64', noDad: true },
      { type: 'set-link', link: 2, up: true },
      { type: 'add-route', gateway: '172.31.0.1' },
      { type: 'add-route', gateway: 'fd00:31::1', link: 2, metric: 7 },
      { type: 'add-route', destination: '10.9.0.0/16', link: 2, source: '172.31.0.3' },
    ]);

    expect(host.link('br0')).toMatchObject({ index: 100, kind: 'bridge', up: true, mtu: 1400, mac });
    expect(host.link(101)).toMatchObject({
      name: 'veth0',
      kind: 'veth',
      master: 100,
      peer: 2,
      alias: 'of c1',
    });
    expect(host.link(101)?.peerNamespace).toBeDefined();
    expect(inside.links().map((link) => link.name)).toEqual(['lo', 'eth0']);
    expect(inside.link('eth0')).toMatchObject({ index: 2, mac: '02:42:ac:1f:00:03', mtu: 1400, up: true });
    expect(inside.link('eth0')?.statistics.rxErrors).toBe(0);
    expect(host.addresses(100).map((address) => address.address)).toEqual(
      expect.arrayContaining(['172.31.0.1/16', 'fd00:31::1/64']),
    );
    const routes = inside.routes();
    expect(routes).toContainEqual(expect.objectContaining({ family: 4, gateway: '172.31.0.1', link: 2 }));
    expect(routes).toContainEqual(expect.objectContaining({ family: 6, gateway: 'fd00:31::1', metric: 7 }));
    expect(routes).toContainEqual(
      expect.objectContaining({ destination: '10.9.0.0/16', source: '172.31.0.3' }),
    );

    inside.send([
      { type: 'delete-route', gateway: '172.31.0.1' },
      { type: 'delete-address', link: 2, address: '172.31.0.3/16' },
    ]);
    expect(inside.routes(4)).toEqual([]);
    host.send([{ type: 'set-link', link: 'veth0', master: null }]);
    expect(host.link('veth0')?.master).toBeUndefined();
    host.send([{ type: 'delete-link', link: 'veth0' }]);
    expect(host.link('veth0')).toBeUndefined();
    expect(inside.link('eth0')).toBeUndefined();
  });

  it('renames, moves and changes links', () => {
    host.send([{ type: 'add-veth', name: 'a0', peer: { name: 'a1' } }]);
    const index = host.link('a0')?.index ?? 0;
    host.send([{ type: 'set-link', link: index, name: 'b0', mtu: 1300, mac, alias: 'x' }]);
    expect(host.link('b0')).toMatchObject({ index, mtu: 1300, mac, alias: 'x' });
    expect(() => host.send([{ type: 'set-link', link: 'b0', name: 'c0' }])).toThrow(RangeError);
    host.send([{ type: 'set-link', link: index, netns: container, name: 'moved' }]);
    expect(inside.link('moved')).toMatchObject({ mtu: 1300 });
    expect(host.link('b0')).toBeUndefined();
  });

  it('makes a macvlan in the namespace of the container', () => {
    host.send([{ type: 'add-bridge', name: 'parent', index: 50, up: true }]);
    host.send([{ type: 'add-macvlan', name: 'eth0', parent: 50, mode: 'bridge', mac, netns: container }]);
    expect(inside.link('eth0')).toMatchObject({ kind: 'macvlan', mac });
  });

  it('makes an ipvlan where the kernel has it', () => {
    host.send([{ type: 'add-bridge', name: 'parent', index: 50, up: true }]);
    try {
      host.send([{ type: 'add-ipvlan', name: 'eth0', parent: 50, mode: 'l3', netns: container }]);
    } catch (error) {
      expect(error).toMatchObject({ code: 'EOPNOTSUPP' });
      return;
    }
    expect(inside.link('eth0')).toMatchObject({ kind: 'ipvlan' });
  });

  it('says what failed and why, and carries out the rest', () => {
    expect(() => host.send([bridge, bridge, { type: 'add-veth', name: 'v0', peer: { name: 'v1' } }])).toThrow(
      expect.objectContaining({ code: 'EEXIST', syscall: 'add-bridge br0' }),
    );
    expect(host.link('v1')).toBeDefined();
    expect(() => host.send([{ type: 'add-route', gateway: '192.0.2.1' }])).toThrow(
      'add-route default: Nexthop has invalid gateway (ENETUNREACH)',
    );
    expect(() => host.send([{ type: 'set-link', link: 'none', up: true }])).toThrow('ENODEV');
    expect(() => host.send([{ type: 'add-bridge', name: 'sixteen-byte-nam' }])).toThrow(RangeError);
  });

  it('takes hundreds of requests at once and dumps them all', () => {
    host.send(
      Array.from({ length: 300 }, (_, index): NetlinkRequest => ({
        type: 'add-veth',
        name: `v${index}`,
        peer: { name: `w${index}` },
      })),
    );
    expect(host.links()).toHaveLength(601);
  });
});
