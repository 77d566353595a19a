import type { AddressSpace } from '../ipam/address-space';
import { formatCidr } from '../ipam/cidr';
import type { NetworkRecord } from '../records/network-record';
import type { EndpointRecord, SandboxRecord } from '../records/sandbox-record';

/** API: Network, as in lists. */
export function networkDocument(network: NetworkRecord): Record<string, unknown> {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: network.ipam.driver,
      Options: Object.keys(network.ipam.options).length > 0 ? network.ipam.options : null,
      Config: network.ipam.config.map((config) => ({
        Subnet: config.subnet,
        ...(config.ipRange && { IPRange: config.ipRange }),
        Gateway: config.gateway,
        ...(Object.keys(config.auxiliaryAddresses).length > 0 && {
          AuxiliaryAddresses: config.auxiliaryAddresses,
        }),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: network.options,
    Labels: network.labels,
  };
}

/** API: NetworkInspect. */
export function networkInspectDocument(
  network: NetworkRecord,
  endpoints: readonly { sandbox: SandboxRecord; endpoint: EndpointRecord }[],
  spaces: readonly AddressSpace[],
): Record<string, unknown> {
  return {
    ...networkDocument(network),
    Containers: Object.fromEntries(
      endpoints.map(({ sandbox, endpoint }) => [
        sandbox.containerId,
        {
          Name: sandbox.containerName,
          EndpointID: endpoint.id,
          MacAddress: endpoint.mac,
          IPv4Address: endpoint.address === '' ? '' : `${endpoint.address}/${endpoint.prefix}`,
          IPv6Address: '',
        },
      ]),
    ),
    Status: {
      IPAM: {
        Subnets: Object.fromEntries(spaces.map((space) => [formatCidr(space.subnet), space.status()])),
      },
    },
  };
}
