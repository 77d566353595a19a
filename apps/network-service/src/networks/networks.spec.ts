import type { NetworkRecord } from '../records/network-record';
import type { SubnetConfig } from './ipam-config';
import { parseNetworkConfig } from './network-config';
import { filterNetworks, parseUntil, prunable } from './network-filters';

describe('parseNetworkConfig', () => {
  const ipam = (...Config: SubnetConfig[]) => ({ Name: 'n', IPAM: { Config } });

  it('reads subnets, ranges and auxiliary addresses', () => {
    const draft = parseNetworkConfig(
      ipam({ Subnet: '10.1.0.0/24', IPRange: '10.1.0.64/26', AuxiliaryAddresses: { r: '10.1.0.3' } }),
    );
    expect(draft.ipam.config).toEqual([
      {
        subnet: '10.1.0.0/24',
        gateway: '10.1.0.64',
        ipRange: '10.1.0.64/26',
        auxiliaryAddresses: { r: '10.1.0.3' },
      },
    ]);
  });

  it('takes both families, and leaves out one that is off', () => {
    const both = ipam({ Subnet: '10.1.0.0/24' }, { Subnet: 'fd00::/64' });
    const subnets = (more: object) =>
      parseNetworkConfig({ ...both, ...more }).ipam.config.map(({ subnet, gateway }) => [subnet, gateway]);
    expect(subnets({ EnableIPv6: true })).toEqual([
      ['10.1.0.0/24', '10.1.0.1'],
      ['fd00::/64', 'fd00::1'],
    ]);
    expect(subnets({})).toEqual([['10.1.0.0/24', '10.1.0.1']]);
    expect(subnets({ EnableIPv4: false, EnableIPv6: true })).toEqual([['fd00::/64', 'fd00::1']]);
    expect(subnets({ Options: { 'com.docker.network.enable_ipv6': 'true' } })).toHaveLength(2);
  });

  it.each([
    ['macvlan', {}, ''],
    ['macvlan', { parent: 'eth0' }, '10.1.0.1'],
    ['ipvlan', { parent: 'eth0', ipvlan_mode: 'l3' }, ''],
    ['ipvlan', { parent: 'eth0' }, '10.1.0.1'],
  ])('%s with %j has the gateway %p', (Driver, Options, gateway) => {
    const draft = parseNetworkConfig({ ...ipam({ Subnet: '10.1.0.0/24' }), Driver, Options });
    expect(draft.ipam.config[0]?.gateway).toBe(gateway);
  });

  it('takes what a config-only network says', () => {
    const made = parseNetworkConfig({
      ...ipam({ Subnet: '10.1.0.0/24' }),
      ConfigOnly: true,
      Options: { 'com.docker.network.driver.mtu': '1400' },
      Labels: { a: 'b' },
    });
    expect(made).toMatchObject({ driver: 'null', configOnly: true });
    const template = { ...made, id: 'x', created: '' };
    const find = (name: string) => (name === 'template' ? template : undefined);
    const draft = parseNetworkConfig({ Name: 'm', ConfigFrom: { Network: 'template' } }, find);
    expect(draft).toMatchObject({ driver: 'bridge', configOnly: false, configFrom: 'template' });
    expect(draft).toMatchObject({ options: made.options, labels: { a: 'b' }, ipam: made.ipam });
    expect(() => parseNetworkConfig({ Name: 'm', ConfigFrom: { Network: 'nope' } }, find)).toThrow(
      'configuration network "nope" does not exist',
    );
    expect(() =>
      parseNetworkConfig({ Name: 'm', ConfigFrom: { Network: 'template' }, Labels: { a: 'c' } }, find),
    ).toThrow('user specified configurations are not supported');
  });

  const option = (name: string, value: string) => ({ Name: 'n', Options: { [name]: value } });
  it.each([
    [{ Name: '' }, 'InvalidArgument', 'name is empty'],
    [{ Name: 'bridge' }, 'Forbidden', 'operation is not permitted on predefined bridge network'],
    [{ Name: 'n', Driver: 'nope' }, 'NotFound', 'plugin "nope" not found'],
    [{ Name: 'n', Driver: 'overlay' }, 'Forbidden', 'This node is not a swarm manager.'],
    [{ Name: 'n', Ingress: true }, 'Forbidden', 'Ingress network can only be global scope network'],
    [{ Name: 'n', Scope: 'swarm' }, 'Forbidden', 'when swarm is not active'],
    [{ Name: 'n', Driver: 'null' }, 'Forbidden', 'only one instance of "null" network is allowed'],
    [{ Name: 'n', EnableIPv4: false }, 'InvalidArgument', 'IPv4 or IPv6 must be enabled'],
    [{ Name: 'n', IPAM: { Driver: 'nope' } }, 'NotFound', 'plugin "nope" not found'],
    [{ Name: 'n', ConfigOnly: true, Internal: true }, 'Forbidden', 'configuration network can only contain'],
    [ipam({ Subnet: '10.0.0.0' }), 'InvalidArgument', 'invalid subnet 10.0.0.0: invalid CIDR block notation'],
    [ipam({ Subnet: '10.0.0.7/8' }), 'InvalidArgument', 'invalid subnet 10.0.0.7/8: it should be 10.0.0.0/8'],
    [
      ipam({ Subnet: '10.0.0.0/24', Gateway: '10.0.1.1', IPRange: 'fd00::/64' }),
      'InvalidArgument',
      'invalid network config:\ninvalid ip-range fd00::/64: parent subnet is an IPv4 block\n' +
        "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
    ],
    [
      ipam({ Subnet: '10.0.0.0/24' }, { Subnet: '10.1.0.0/24' }),
      'Forbidden',
      "bridge driver doesn't support multiple subnets",
    ],
    [ipam({ Subnet: '0.0.0.0/24', IPRange: '0.0.0.0/25' }), 'InvalidArgument', 'invalid address subpool'],
    [ipam({ Subnet: '0.0.0.0/24', Gateway: '0.0.0.1' }), 'Internal', 'requested address is out of range'],
    [option('com.docker.network.bridge.name', 'a/b'), 'InvalidArgument', 'bridge name'],
    [option('com.docker.network.x', 'y'), 'NotImplemented', 'com.docker.network.x'],
    [
      option('com.docker.network.driver.mtu', 'x'),
      'InvalidArgument',
      'failed to parse com.docker.network.driver.mtu value: x (strconv.Atoi: parsing "x": invalid syntax)',
    ],
    [option('com.docker.network.bridge.gateway_mode_ipv6', 'x'), 'InvalidArgument', 'unknown gateway mode x'],
    [
      option('com.docker.network.bridge.gateway_mode_ipv4', 'isolated'),
      'InvalidArgument',
      "gateway mode 'isolated' can only be used for an internal network",
    ],
    [
      { ...option('macvlan_mode', 'x'), Driver: 'macvlan' },
      'InvalidArgument',
      "requested macvlan mode 'x' is not valid, 'bridge' mode is the macvlan driver default",
    ],
  ])('refuses %j', (config, kind, message) => {
    expect(() => parseNetworkConfig(config)).toThrow(
      expect.objectContaining({ kind, message: expect.stringContaining(message) }),
    );
  });
});

describe('filters', () => {
  const network = (name: string, more: Partial<NetworkRecord> = {}): NetworkRecord => ({
    id: name.padEnd(64, '0'),
    name,
    driver: 'bridge',
    created: '2026-01-02T03:04:05.000000001Z',
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    configOnly: false,
    configFrom: '',
    labels: {},
    options: {},
    ipam: { driver: 'default', options: {}, config: [] },
    ...more,
  });
  const all = [
    network('bridge'),
    network('none', { driver: 'null' }),
    network('web', { labels: { tier: 'front' } }),
    network('web-db'),
  ];
  const filtered = (terms: Record<string, string[]>) =>
    filterNetworks(all, new Map(Object.entries(terms)), (one) => one.name === 'web').map((one) => one.name);

  it.each([
    [{}, ['bridge', 'none', 'web', 'web-db']],
    [{ name: ['web'] }, ['web', 'web-db']],
    [{ name: ['^web$'] }, ['web']],
    [{ driver: ['null', 'host'] }, ['none']],
    [{ type: ['custom'] }, ['web', 'web-db']],
    [{ type: ['builtin'] }, ['bridge', 'none']],
    [{ label: ['tier=front'] }, ['web']],
    [{ dangling: ['true'] }, ['web-db']],
    [{ scope: ['swarm'] }, []],
    [{ id: ['web-db0'] }, ['web-db']],
  ])('%j', (terms, names) => expect(filtered(terms)).toEqual(names));

  it('refuses names and values it does not know', () => {
    expect(() => filtered({ nope: ['x'] })).toThrow("invalid filter 'nope'");
    expect(() => filtered({ type: ['x'] })).toThrow('invalid filter');
  });

  it('prunes by age and label, never what is predefined', () => {
    const now = Date.parse('2026-01-02T04:00:00Z');
    const pruned = (terms: Record<string, string[]>) =>
      prunable(all, new Map(Object.entries(terms)), now).map((one) => one.name);
    expect(pruned({})).toEqual(['web', 'web-db']);
    expect(pruned({ until: ['1h'] })).toEqual([]);
    expect(pruned({ until: ['30m'] })).toEqual(['web', 'web-db']);
    expect(pruned({ 'label!': ['tier'] })).toEqual(['web-db']);
  });

  it.each([
    ['1h30m', -5_400_000],
    ['500ms', -500],
    ['10', 10_000 - 1_000_000],
    ['1970-01-01T00:00:20Z', 20_000 - 1_000_000],
  ])('until %s', (text, difference) => expect(parseUntil(text, 1_000_000) - 1_000_000).toBe(difference));
});
