import type { NetworkRecord } from '../records/network-record';
import { AddressSpace } from './address-space';
import { type Cidr, formatCidr, formatIp, macFor, overlaps, parseCidr, parseIp } from './cidr';
import { firstFreeSubnet } from './default-pools';
import { IpamService } from './ipam.service';

const cidr = (text: string): Cidr => parseCidr(text) ?? { base: NaN, prefix: NaN };
const ip = (text: string): number => parseIp(text) ?? NaN;

describe('addresses', () => {
  it.each(['0.0.0.0', '172.17.0.2', '255.255.255.255'])('%s reads and writes', (text) => {
    expect(formatIp(ip(text))).toBe(text);
  });

  it.each(['', '1.2.3', '1.2.3.256', '1.2.3.4.5', '::1', 'a.b.c.d'])('%p is none', (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  it.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['192.168.255.1/20', '192.168.240.0/20'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['1.2.3.4/32', '1.2.3.4/32'],
  ])('%s is the subnet %s', (text, subnet) => expect(formatCidr(cidr(text))).toBe(subnet));

  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/8/8', 'fd00::/64'])('%s is no subnet', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it.each([
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.1.0.0/16', '10.0.0.0/8', true],
    ['10.0.0.0/24', '10.0.1.0/24', false],
  ])('%s and %s overlap: %s', (a, b, expected) => expect(overlaps(cidr(a), cidr(b))).toBe(expected));

  it('gives an address the MAC that Docker would', () => {
    expect(macFor(ip('172.17.0.2'))).toBe('02:42:ac:11:00:02');
  });
});

describe('default pools', () => {
  it('begins where dockerd does, and goes round what is taken', () => {
    expect(formatCidr(firstFreeSubnet([])!)).toBe('172.17.0.0/16');
    expect(formatCidr(firstFreeSubnet([cidr('172.17.0.1/16'), cidr('172.18.4.0/24')])!)).toBe(
      '172.19.0.0/16',
    );
  });

  it('does not run out at 31 networks', () => {
    const taken: Cidr[] = [];
    for (let count = 0; count < 300; count++) taken.push(firstFreeSubnet(taken)!);
    expect(new Set(taken.map(formatCidr)).size).toBe(300);
    expect(formatCidr(taken[31]!)).toBe('10.128.0.0/24');
  });

  it('has an end', () => {
    expect(firstFreeSubnet([cidr('0.0.0.0/0')])).toBeUndefined();
  });
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
    expect(next[5]).toBe(first);
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
    expect(space.status()).toEqual({ IPsInUse: 5, DynamicIPsAvailable: 0 });
  });
});

describe('IpamService', () => {
  const network = (id: string, subnet: string): NetworkRecord => ({
    id,
    name: id,
    driver: 'bridge',
    created: '',
    internal: false,
    attachable: false,
    labels: {},
    options: {},
    ownSubnet: true,
    ipam: {
      driver: 'default',
      options: {},
      config: [{ subnet, gateway: '10.9.0.1', auxiliaryAddresses: { router: '10.9.0.2' } }],
    },
  });

  it('leaves out the gateway and auxiliary addresses', () => {
    const ipam = new IpamService();
    const one = network('one', '10.9.0.0/29');
    ipam.addNetwork(one);
    expect(formatIp(ipam.allocate(one))).toBe('10.9.0.3');
  });

  it('refuses a subnet that overlaps another network, until that is gone', () => {
    const ipam = new IpamService();
    ipam.addNetwork(network('one', '10.9.0.0/16'));
    expect(() => ipam.checkFree(cidr('10.9.4.0/24'))).toThrow(
      'invalid pool request: Pool overlaps with other one on this address space',
    );
    ipam.removeNetwork('one');
    ipam.checkFree(cidr('10.9.4.0/24'));
  });

  it('says whose addresses are used up', () => {
    const ipam = new IpamService();
    const one = network('one', '10.9.0.0/30');
    ipam.addNetwork(one);
    expect(() => ipam.allocate(one)).toThrow(
      "no available IPv4 addresses on this network's address pools: one (one)",
    );
  });
});
