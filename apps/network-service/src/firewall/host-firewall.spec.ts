import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLinux } from '@gantry/shared/linux';
import type { NetworkRecord } from '../records/network-record';
import type { PublishedPort } from '../records/sandbox-record';
import { baseTable } from './base-table';
import { partCommands } from './changes';
import { HostFirewall } from './host-firewall';
import { networkRules } from './network-rules';
import { portElements } from './port-elements';
import { addPart, type FirewallTable } from './table';

const linux = createLinux();
// Left out where libnftables is missing; `npm test` installs it.
const given = linux.nftables.available() ? describe : describe.skip;

const network = (link: string, subnet: string, more: Partial<NetworkRecord> = {}): NetworkRecord =>
  ({
    id: link.repeat(20),
    name: link,
    driver: 'bridge',
    ipv4: true,
    internal: false,
    options: {},
    ipam: { driver: 'default', options: {}, config: [{ subnet, gateway: '', auxiliaryAddresses: {} }] },
    link,
    ...more,
  }) as NetworkRecord;
const port = (hostPort: number, more: Partial<PublishedPort> = {}): PublishedPort => ({
  protocol: 'tcp',
  containerPort: 80,
  hostIp: '0.0.0.0',
  hostPort,
  address: '10.5.0.2',
  ...more,
});

given('the table of an instance', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'fw-')), 'ns');
  linux.namespaces.createNetworkNamespace(path);
  const within = <T>(action: () => T): T => linux.namespaces.withinNetworkNamespace(path, action);
  const firewall = new HostFirewall(linux.nftables);
  const run = (commands: string): void => within(() => firewall.run(commands));
  const reconcile = (table: FirewallTable): number => within(() => firewall.reconcile('t', table));

  const desired = baseTable();
  addPart(desired, networkRules(network('br-one', '10.5.0.0/24')));
  addPart(desired, networkRules(network('br-two', '10.6.0.0/24', { internal: true })));
  const routed = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
  addPart(desired, networkRules(network('br-out', '10.8.0.0/24', { options: routed })));
  addPart(desired, networkRules(network('br-six', 'FD00:6::/64', { ipv4: false, ipv6: true })));
  addPart(desired, portElements([port(8080), port(8081, { hostIp: '127.0.0.1', protocol: 'udp' })]));
  addPart(desired, portElements([port(8080, { hostIp: '::', address: 'fd00:0::2' })]));
  addPart(desired, portElements([port(0, { hostIp: '::', address: 'fd00:0::7' }), port(0)]));
  addPart(desired, portElements([port(8082, { hostIp: 'FD00:1::1', address: 'fd00::2' })]));

  afterAll(() => {
    firewall.close();
    linux.namespaces.removeNetworkNamespace(path);
    rmSync(join(path, '..'), { recursive: true });
  });

  it('is made once, and known again', () => {
    expect(reconcile(desired)).toBeGreaterThan(0);
    expect(reconcile(desired)).toBe(0);
  });

  it.each([
    ['an element is missing', 'delete element inet t published_any { tcp . 8080 }', 1],
    ['an element is too much', 'add element inet t published_any { tcp . 9090 : 10.5.0.9 . 90 }', 1],
    [
      'an element leads elsewhere',
      'delete element inet t published_any { tcp . 8080 }; add element inet t published_any { tcp . 8080 : 10.5.0.9 . 80 }',
      2,
    ],
    ['a subnet is missing', 'delete element inet t nat { 10.5.0.0/24 }', 1],
    ['a rule is too much', 'insert rule inet t forward drop', 4],
    ['rules are missing', 'flush chain inet t to_published', 4],
    ['a chain is too much', 'add chain inet t more; add rule inet t more accept', 1],
    ['a map is missing', 'flush chain inet t postrouting; delete map inet t nat6', 4],
    [
      'a map is of another type',
      'flush chain inet t postrouting; delete map inet t nat6; add map inet t nat6 { type ipv4_addr : verdict; }',
      undefined,
    ],
    [
      'a hook is another',
      'delete chain inet t guard; add chain inet t guard { type filter hook input priority 0; }',
      undefined,
    ],
    ['it is gone', 'delete table inet t', undefined],
  ])('is put right when %s', (_, commands, cost) => {
    run(commands);
    const changes = reconcile(desired);
    if (cost === undefined) expect(changes).toBeGreaterThan(30);
    else expect(changes).toBe(cost);
    expect(reconcile(desired)).toBe(0);
  });

  it('grows and shrinks by a network and its ports', () => {
    const part = networkRules(network('br-new', '10.7.0.0/24'));
    const ports = portElements([port(1, { protocol: 'sctp' }), port(2), port(3)]);
    const commands = (command: 'add' | 'delete') =>
      [part, ports].map((each) => partCommands('t', command, each, desired.lookups));
    expect(commands('add')[1]).toEqual([
      'add element inet t published_any { sctp . 1 : 10.5.0.2 . 80, tcp . 2 : 10.5.0.2 . 80, tcp . 3 : 10.5.0.2 . 80 }',
    ]);
    run(commands('add').flat().join('\n'));
    expect(reconcile(desired)).toBeGreaterThan(0);
    run(commands('add').flat().join('\n'));
    run(commands('delete').flat().join('\n'));
    expect(reconcile(desired)).toBe(0);
  });
});

it('lets a network out with its address hidden, and only published ports in', () => {
  const { chains, elements } = networkRules(network('br-n', '10.5.0.0/24'));
  expect([...chains.values()].map(({ rules }) => rules)).toEqual([
    ['iifname "br-n" accept', 'ct status dnat accept', 'drop'],
    [],
    ['oifname "br-n" ct status dnat masquerade', 'oifname != "br-n" masquerade'],
  ]);
  expect(elements.map(({ lookup, key }) => `${lookup} ${key}`)).toEqual([
    'bridges br-n',
    'into br-n',
    'from br-n',
    'nat 10.5.0.0/24',
  ]);
});

it('lets nothing out of an internal network, nor hides it', () => {
  const { chains } = networkRules(network('br-n', '10.5.0.0/24', { internal: true }));
  expect([...chains.values()].map(({ rules }) => rules)).toEqual([
    ['iifname "br-n" accept', 'drop'],
    ['drop'],
    ['oifname "br-n" ct status dnat masquerade'],
  ]);
});

it('keeps the containers of a network apart with icc=false, and its addresses with ip_masquerade=false', () => {
  const options = {
    'com.docker.network.bridge.enable_icc': 'false',
    'com.docker.network.bridge.enable_ip_masquerade': 'false',
  };
  const { chains } = networkRules(network('br-n', '10.5.0.0/24', { options }));
  expect([...chains.values()].flatMap(({ rules }) => rules)).toEqual([
    'ct status dnat accept',
    'drop',
    'oifname "br-n" ct status dnat masquerade',
  ]);
});

it('has nothing for networks without a bridge', () => {
  expect(networkRules(network('eth0', '10.5.0.0/24', { driver: 'macvlan' })).elements).toEqual([]);
});

describe('gateway modes', () => {
  const rulesOf = (options: Record<string, string>) => {
    const { chains } = networkRules(network('br-n', '10.5.0.0/24', { ipv6: true, options }));
    const [into, , nat] = [...chains.values()].map(({ rules }) => rules);
    return { into: into?.slice(1, -1), nat: nat?.slice(1) };
  };
  const IPV6_MODE = 'com.docker.network.bridge.gateway_mode_ipv6';
  const outside = 'oifname != "br-n"';

  it.each([
    [{}, ['ct status dnat accept'], ['masquerade']],
    [
      { [IPV6_MODE]: 'routed' },
      [
        'ct status dnat accept',
        'meta l4proto ipv6-icmp accept',
        'ip6 daddr . meta l4proto . th dport @open6 accept',
      ],
      ['meta nfproto ipv4 masquerade'],
    ],
    [
      {
        [IPV6_MODE]: 'nat-unprotected',
        'com.docker.network.bridge.trusted_host_interfaces': 'eth1:eth2',
      },
      ['iifname "eth1" accept', 'iifname "eth2" accept', 'ct status dnat accept', 'meta nfproto ipv6 accept'],
      ['masquerade'],
    ],
    [
      { 'com.docker.network.host_ipv4': '192.0.2.7' },
      ['ct status dnat accept'],
      ['meta nfproto ipv4 snat ip to 192.0.2.7', 'meta nfproto ipv6 masquerade'],
    ],
  ])('%j', (options, into, nat) => {
    expect(rulesOf(options)).toEqual({ into, nat: nat.map((rule) => `${outside} ${rule}`) });
  });
});
