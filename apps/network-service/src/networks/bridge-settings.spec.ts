import { bridgeSettings } from '../config';
import { predefinedNetworks } from './predefined-networks';

const bridgeOf = (env: NodeJS.ProcessEnv) => predefinedNetworks('gantry0', bridgeSettings(env))[0];

describe('the settings of the default bridge', () => {
  it('are those of dockerd where nothing is set', () => {
    expect(bridgeOf({})).toMatchObject({
      ipv6: false,
      ipam: { config: [] },
      options: {
        'com.docker.network.bridge.enable_icc': 'true',
        'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
        'com.docker.network.driver.mtu': '1500',
      },
    });
  });

  it('say its subnet, its address and where containers have theirs', () => {
    const env = {
      GANTRY_BIP: '10.9.0.5/16',
      GANTRY_FIXED_CIDR: '10.9.128.0/17',
      GANTRY_BRIDGE_IPV6: 'fd00:1::/64',
    };
    expect(bridgeOf(env)?.ipam.config).toMatchObject([
      { subnet: '10.9.0.0/16', gateway: '10.9.0.5', ipRange: '10.9.128.0/17' },
      { subnet: 'fd00:1::/64', gateway: 'fd00:1::1' },
    ]);
    expect(bridgeOf({ GANTRY_FIXED_CIDR: '10.9.128.0/17' })?.ipam.config).toMatchObject([
      { subnet: '10.9.128.0/17', gateway: '10.9.128.1', ipRange: '10.9.128.0/17' },
    ]);
  });

  it.each([
    [{ GANTRY_BIP: '10.9' }, 'GANTRY_BIP: parse bip failed: invalid CIDR address: 10.9'],
    [{ GANTRY_BIP: '10.9.0.0/16' }, 'GANTRY_BIP: '],
    [{ GANTRY_BIP: 'fd00::1/64' }, 'GANTRY_BIP: '],
    [{ GANTRY_FIXED_CIDR: 'x' }, 'GANTRY_FIXED_CIDR: parse fixed-cidr failed: invalid CIDR address: x'],
    [
      { GANTRY_BIP: '10.9.0.1/16', GANTRY_FIXED_CIDR: '10.8.0.0/17' },
      '10.8.0.0/17 is not within 10.9.0.0/16',
    ],
    [{ GANTRY_MTU: '-1' }, 'GANTRY_MTU: '],
    [{ GANTRY_ICC: 'no' }, 'GANTRY_ICC: '],
    [{ GANTRY_IP: 'x' }, 'GANTRY_IP: invalid IP address: x'],
  ])('refuse %j', (env, message) => {
    expect(() => bridgeSettings(env)).toThrow(message);
  });
});
