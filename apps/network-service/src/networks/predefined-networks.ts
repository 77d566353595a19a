import { OPTION } from '../records/network-options';
import type { NetworkDraft } from './network-config';

/** What an instance has from its first start on. */
export function predefinedNetworks(bridgeName: string): NetworkDraft[] {
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
  return [
    {
      ...base,
      name: 'bridge',
      driver: 'bridge',
      link: bridgeName,
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
