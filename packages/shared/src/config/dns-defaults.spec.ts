import { dnsDefaults, withDnsDefaults } from './dns-defaults';

describe('dnsDefaults', () => {
  const env = { GANTRY_DNS: '192.0.2.1, fd00::1', GANTRY_DNS_SEARCH: 'a.test', GANTRY_DNS_OPTS: 'ndots:2' };

  it('are of containers that say nothing, each for itself', () => {
    const defaults = dnsDefaults(env);
    expect(defaults).toEqual({ servers: ['192.0.2.1', 'fd00::1'], search: ['a.test'], options: ['ndots:2'] });
    expect(withDnsDefaults({ servers: ['192.0.2.9'], search: [], options: [] }, defaults)).toEqual({
      servers: ['192.0.2.9'],
      search: ['a.test'],
      options: ['ndots:2'],
    });
  });

  it('refuse what dockerd refuses', () => {
    expect(() => dnsDefaults({ GANTRY_DNS: 'x' })).toThrow('GANTRY_DNS: ParseAddr("x"): unable to parse IP');
    expect(() => dnsDefaults({ GANTRY_DNS_SEARCH: 'a b' })).toThrow('a b is not a valid domain');
  });
});
