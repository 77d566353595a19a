import type { NetworkRecord } from '../records/network-record';
import { parseNetworkConfig } from './network-config';
import { filterNetworks, parseUntil, prunable } from './network-filters';

describe('parseNetworkConfig', () => {
  it('reads subnets, ranges and auxiliary addresses', () => {
    const draft = parseNetworkConfig({
      Name: 'n',
      IPAM: {
        Config: [{ Subnet: '10.1.0.7/24', IPRange: '10.1.0.64/26', AuxiliaryAddresses: { r: '10.1.0.3' } }],
      },
    });
    expect(draft.ipam.config).toEqual([
      {
        subnet: '10.1.0.0/24',
        gateway: '10.1.0.65',
        ipRange: '10.1.0.64/26',
        auxiliaryAddresses: { r: '10.1.0.3' },
      },
    ]);
    expect(draft.ownSubnet).toBe(true);
  });

  it.each([
    [{ Name: '' }, 'InvalidArgument', 'name is empty'],
    [{ Name: 'bridge' }, 'Forbidden', 'operation is not permitted on predefined bridge network'],
    [{ Name: 'n', Driver: 'nope' }, 'NotFound', 'plugin "nope" not found'],
    [{ Name: 'n', Driver: 'overlay' }, 'Unavailable', 'This node is not a swarm manager.'],
    [{ Name: 'n', Driver: 'null' }, 'Forbidden', 'only one instance of "null" network is allowed'],
    [{ Name: 'n', EnableIPv6: true }, 'NotImplemented', 'IPv6'],
    [{ Name: 'n', IPAM: { Config: [{ Subnet: '10.0.0.0' }] } }, 'InvalidArgument', 'invalid subnet'],
    [
      { Name: 'n', IPAM: { Config: [{ Subnet: '10.0.0.0/24', Gateway: '10.0.1.1' }] } },
      'InvalidArgument',
      'invalid gateway address 10.0.1.1',
    ],
    [{ Name: 'n', Options: { 'com.docker.network.bridge.name': 'a/b' } }, 'InvalidArgument', 'bridge name'],
    [{ Name: 'n', Options: { 'com.docker.network.x': 'y' } }, 'NotImplemented', 'com.docker.network.x'],
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
    internal: false,
    attachable: false,
    labels: {},
    options: {},
    ownSubnet: false,
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
