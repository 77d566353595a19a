import { OPTION } from '../records/network-options';
import { parseSubnets } from './ipam-config';
import type { NetworkDraft } from './network-config';

/**
 * What an instance has from its first start on.
 * @param ipv6 of the default bridge
 */
export function predefinedNetworks(
  bridgeName: string,
  ipv6: { enabled: boolean; subnet?: string },
): NetworkDraft[] {
  const base = {
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    configOnly: false,
    configFrom: '',
    labels: {},
    ipam: { driver: 'default', options: {}, config: [] },
  };
  const bridge = { driver: 'bridge', internal: false, options: {} } as const;
  const given = parseSubnets(ipv6.subnet ? [{ Subnet: ipv6.subnet }] : [], bridge, {
    ipv4: true,
    ipv6: true,
  });
  return [
    {
      ...base,
      name: 'bridge',
      driver: 'bridge',
      link: bridgeName,
      ipv6: ipv6.enabled,
      ipam: { ...base.ipam, config: given },
      options: {
        [OPTION.defaultBridge]: 'true',
        [OPTION.icc]: 'true',
        [OPTION.masquerade]: 'true',
        [OPTION.hostBinding]: '0.0.0.0',
        [OPTION.bridgeName]: bridgeName,
        [OPTION.mtu]: '1500',
      },
    },
    { ...base, name: 'host', driver: 'host', options: {} },
    { ...base, name: 'none', driver: 'null', options: {} },
  ];
}
