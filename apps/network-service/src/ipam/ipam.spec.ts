import type { NetworkRecord } from '../records/network-record';
import { AddressSpace } from './address-space';
import {
  type Cidr,
  formatCidr,
  formatIp,
  type Ip,
  isLinkLocal,
  macFor,
  overlaps,
  parseCidr,
  parseIp,
} from './cidr';
import { addressPools, firstFreeSubnet } from './address-pools';
import { IpamService } from './ipam.service';

const cidr = (text: string): Cidr => parseCidr(text) ?? { family: 4, base: -1n, prefix: -1 };
const ip = (text: string): Ip => parseIp(text) ?? { family: 4, value: -1n };

describe('addresses', () => {
  it.each(['0.0.0.0', '172.17.0.2', '255.255.255.255', '::', '::1', 'fd00:1::ff'])(
    '%s reads and writes',
    (text) => {
      expect(formatIp(ip(text))).toBe(text);
    },
  );

  it.each(['', '1.2.3', '1.2.3.256', '1.2.3.4.5', 'fe80::1%eth0', ':::', 'a.b.c.d'])('%p is none', (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  it.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['192.168.255.1/20', '192.168.240.0/20'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['1.2.3.4/32', '1.2.3.4/32'],
    ['fd00:1:2:3:4::5/64', 'fd00:1:2:3::/64'],
    ['::1/0', '::/0'],
  ])('%s is the subnet %s', (text, subnet) => expect(formatCidr(cidr(text))).toBe(subnet));

  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/8/8', 'fd00::/129'])('%s is no subnet', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it.each([
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.1.0.0/16', '10.0.0.0/8', true],
    ['10.0.0.0/24', '10.0.1.0/24', false],
    ['fd00::/48', 'fd00:0:0:9::/64', true],
    ['::/0', '10.0.0.0/8', false],
  ])('%s and %s overlap: %s', (a, b, expected) => expect(overlaps(cidr(a), cidr(b))).toBe(expected));

  it('gives an address the MAC that Docker would', () => {
    expect(macFor(ip('172.17.0.2'))).toBe('02:42:ac:11:00:02');
    expect(macFor(ip('fd00::2'))).toMatch(/^02:42(:[0-9a-f]{2}){4}$/);
    expect(macFor(ip('fd00::2'))).not.toBe(macFor(ip('fd00::3')));
  });

  it.each([
    ['169.254.1.2', true],
    ['169.253.1.2', false],
    ['fe80::1', true],
    ['febf::1', true],
    ['fec0::1', false],
  ])('%s is link-local: %s', (text, expected) => expect(isLinkLocal(ip(text))).toBe(expected));
});

describe('address pools', () => {
  const { defaultBridge, networks } = addressPools('', 'node-1');
  const first = (taken: string[], pools = networks) => {
    const found = firstFreeSubnet(pools, 4, taken.map(cidr));
    return found && formatCidr(found);
  };

  it('begins where dockerd does, with room for most containers on the default bridge', () => {
    expect(first([], defaultBridge)).toBe('172.17.0.0/16');
    expect(first(['172.17.0.1/16', '172.18.4.0/24'], defaultBridge)).toBe('172.19.0.0/16');
  });

  it('goes round whatever is taken, whatever its size', () => {
    expect(first([])).toBe('172.18.0.0/24');
    expect(first(['172.18.0.0/25', '172.18.0.128/25', '172.18.1.64/32'])).toBe('172.18.2.0/24');
    expect(first(['172.18.1.0/24', '172.18.0.0/22', '172.18.4.1/30'])).toBe('172.18.5.0/24');
    expect(first(['172.16.0.0/12'])).toBe('10.128.0.0/24');
  });

  it('does not run out at 31 networks', () => {
    const taken: Cidr[] = [];
    for (let count = 0; count < 4_000; count++) taken.push(firstFreeSubnet(networks, 4, taken)!);
    expect(new Set(taken.map(formatCidr)).size).toBe(4_000);
  });

  it('has an end', () => expect(first(['0.0.0.0/0'])).toBeUndefined());

  it('has a unique local IPv6 prefix of the host', () => {
    const subnet = (nodeId: string, taken: Cidr[] = []) =>
      formatCidr(firstFreeSubnet(addressPools('', nodeId).networks, 6, taken)!);
    expect(subnet('node-1')).toMatch(/^fd[0-9a-f:]+::\/64$/);
    expect(subnet('node-1')).not.toBe(subnet('node-2'));
    expect(subnet('node-1', [cidr(subnet('node-1'))])).not.toBe(subnet('node-1'));
  });

  it('takes those that are configured, a family at a time', () => {
    const pools = addressPools('base=172.30.0.0/16,size=28 base=10.9.0.0/24,size=24', 'node-1');
    expect(first([], pools.networks)).toBe('172.30.0.0/28');
    expect(first(['172.30.0.0/16'], pools.networks)).toBe('10.9.0.0/24');
    expect(first([], pools.defaultBridge)).toBe('172.30.0.0/28');
    expect(firstFreeSubnet(pools.networks, 6, [])?.prefix).toBe(64);
  });

  it.each(['10.0.0.0/8', 'base=10.0.0.0/8,size=7', 'base=10.0.0.0/8,size=31', 'base=nope,size=24'])(
    'refuses %s',
    (text) => expect(() => addressPools(text, 'node-1')).toThrow('GANTRY_DEFAULT_ADDRESS_POOLS'),
  );
});

describe('AddressSpace', () => {
  it('never gives the address of the network or the broadcast', () => {
    const space = new AddressSpace(cidr('10.0.0.0/30'));
    expect([space.allocate(), space.allocate(), space.allocate()]).toEqual([
      ip('10.0.0.1'),
      ip('10.0.0.2'),
      undefined,
    ]);
  });

  it('uses a released address again only after all others', () => {
    const space = new AddressSpace(cidr('10.0.0.0/29'));
    const first = space.allocate()!;
    space.release(first);
    const next = Array.from({ length: 6 }, () => space.allocate()!);
    expect(formatIp(next[0]!)).toBe('10.0.0.2');
    expect(next[5]).toEqual(first);
  });

  it('keeps dynamic addresses to the range, static ones to the subnet', () => {
    const space = new AddressSpace(cidr('10.0.0.0/24'), cidr('10.0.0.64/31'));
    expect([space.allocate(), space.allocate(), space.allocate()]).toEqual([
      ip('10.0.0.64'),
      ip('10.0.0.65'),
      undefined,
    ]);
    space.claim(ip('10.0.0.77'));
    expect(() => space.claim(ip('10.0.0.77'))).toThrow('Address already in use');
    expect(() => space.claim(ip('10.0.1.1'))).toThrow('Requested address is out of range');
    expect(space.status()).toEqual({ IPsInUse: 5n, DynamicIPsAvailable: 0n });
  });

  it('does not count what only waits to be free again', () => {
    const space = new AddressSpace(cidr('10.0.0.0/24'), cidr('10.0.0.64/31'));
    space.claim(ip('10.0.0.64'));
    space.retire(ip('10.0.0.64'));
    expect(space.status()).toEqual({ IPsInUse: 2n, DynamicIPsAvailable: 2n });
    expect(space.isUsed(ip('10.0.0.64'))).toBe(true);
    space.release(ip('10.0.0.64'));
    space.claim(ip('10.0.0.64'));
    expect(space.status()).toEqual({ IPsInUse: 3n, DynamicIPsAvailable: 1n });
  });

  it('hands out IPv6 addresses, the last one too, and counts as far as the API can', () => {
    const space = new AddressSpace(cidr('fd00::/126'));
    const all = Array.from({ length: 3 }, () => formatIp(space.allocate()!));
    expect(all).toEqual(['fd00::1', 'fd00::2', 'fd00::3']);
    expect(space.allocate()).toBeUndefined();
    const { DynamicIPsAvailable } = new AddressSpace(cidr('fd00::/48')).status();
    expect(DynamicIPsAvailable).toBe(18_446_744_073_709_551_615n);
  });
});

describe('IpamService', () => {
  const network = (id: string, subnet: string): NetworkRecord => ({
    id,
    name: id,
    driver: 'bridge',
    created: '',
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    configOnly: false,
    configFrom: '',
    labels: {},
    options: {},
    ipam: {
      driver: 'default',
      options: {},
      config: [{ subnet, gateway: '10.9.0.1', auxiliaryAddresses: { router: '10.9.0.2' } }],
    },
  });

  it('leaves out the gateway and auxiliary addresses', () => {
    const ipam = new IpamService({ nodeId: 'node-1' });
    const one = network('one', '10.9.0.0/29');
    ipam.addNetwork(one);
    expect(formatIp(ipam.allocate(one, 4))).toBe('10.9.0.3');
  });

  it('picks a subnet of the size that is wanted', () => {
    const ipam = new IpamService({ nodeId: 'node-1' });
    const picked = (family: 4 | 6, prefix: number) =>
      formatCidr(ipam.pickSubnet(family, 'networks', [cidr('172.18.0.0/25')], prefix));
    expect(picked(4, 26)).toBe('172.18.0.128/26');
    expect(picked(4, 9)).toBe('10.128.0.0/9');
    expect(picked(4, 0)).toBe('172.18.1.0/24');
    expect(picked(6, 120)).toMatch(/^fd.*::\/120$/);
    expect(() => picked(4, 8)).toThrow('invalid address pool');
  });

  it('refuses a subnet that overlaps another network, until that is gone', () => {
    const ipam = new IpamService({ nodeId: 'node-1' });
    ipam.addNetwork(network('one', '10.9.0.0/16'));
    expect(() => ipam.checkFree(cidr('10.9.4.0/24'))).toThrow(
      'invalid pool request: Pool overlaps with other one on this address space: ' +
        '10.9.4.0/24 and 10.9.0.0/16 of network one (one)',
    );
    ipam.removeNetwork('one');
    ipam.checkFree(cidr('10.9.4.0/24'));
  });

  it('says whose addresses are used up', () => {
    const ipam = new IpamService({ nodeId: 'node-1' });
    const one = network('one', '10.9.0.0/30');
    ipam.addNetwork(one);
    expect(() => ipam.allocate(one, 4)).toThrow(
      "no available IPv4 addresses on this network's address pools: one (one)",
    );
  });
});

describe('what a new network sets apart', () => {
  const ipam = new IpamService({ nodeId: 'node-1' });
  const check = (gateway: string, auxiliaryAddresses: Record<string, string> = {}, subnet = '10.1.0.0/24') =>
    ipam.checkReservations({
      ipam: {
        driver: 'default',
        options: {},
        config: [{ subnet, gateway, auxiliaryAddresses }],
      },
    });

  it.each([
    ['10.1.0.0', {}, 'gateway (10.1.0.0)'],
    ['10.1.0.255', {}, 'gateway (10.1.0.255)'],
    ['10.1.0.1', { a: '10.1.0.1' }, 'secondary ip address (a:10.1.0.1)'],
    ['10.1.0.1', { a: '10.1.0.5', b: '10.1.0.5' }, 'secondary ip address (b:10.1.0.5)'],
  ])('gateway %s and %j are refused', (gateway, auxiliary, what) => {
    expect(() => check(gateway, auxiliary)).toThrow(`failed to allocate ${what}: Address already in use`);
  });

  it('may be each address once, and none', () => {
    expect(() => check('10.1.0.254', { a: '10.1.0.1', b: '10.1.0.2' })).not.toThrow();
    expect(() => check('', {})).not.toThrow();
    expect(() => check('fd00::1', { a: 'fd00::ffff' }, 'fd00::/64')).not.toThrow();
  });
});
