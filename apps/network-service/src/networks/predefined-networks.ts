import type { BridgeSettings } from '../config';
import { OPTION } from '../records/network-options';
import { parseSubnets } from './ipam-config';
import type { NetworkDraft } from './network-config';

/**
 * What an instance has from its first start on.
 * @param settings of the default bridge
 */
export function predefinedNetworks(bridgeName: string, settings: BridgeSettings): NetworkDraft[] {
  const { ipv4, ipv6, mtu, icc, hostIp } = settings;
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
  const subnets = [...(ipv4 ? [ipv4] : []), ...(ipv6.subnet ? [{ Subnet: ipv6.subnet }] : [])];
  const given = parseSubnets(subnets, bridge, { ipv4: true, ipv6: true });
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
        [OPTION.icc]: String(icc),
        [OPTION.masquerade]: 'true',
        [OPTION.hostBinding]: hostIp,
        [OPTION.bridgeName]: bridgeName,
        [OPTION.mtu]: String(mtu),
      },
    },
    { ...base, name: 'host', driver: 'host', options: {} },
    { ...base, name: 'none', driver: 'null', options: {} },
  ];
}
