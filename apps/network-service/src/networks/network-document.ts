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
    EnableIPv4: network.ipv4,
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: network.ipam.driver,
      Options: Object.keys(network.ipam.options).length > 0 ? network.ipam.options : null,
      Config: network.ipam.config.map((config) => ({
        Subnet: config.subnet,
        ...(config.ipRange && { IPRange: config.ipRange }),
        ...(config.gateway && { Gateway: config.gateway }),
        ...(Object.keys(config.auxiliaryAddresses).length > 0 && {
          AuxiliaryAddresses: config.auxiliaryAddresses,
        }),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom },
    ConfigOnly: network.configOnly,
    Containers: {},
    Options: network.options,
    Labels: network.labels,
  };
}

/** API: NetworkInspect, as JSON: the numbers of an IPv6 subnet are too large for JSON.stringify. */
export function networkInspectDocument(
  network: NetworkRecord,
  endpoints: readonly { sandbox: SandboxRecord; endpoint: EndpointRecord }[],
  spaces: readonly AddressSpace[],
): string {
  const document = {
    ...networkDocument(network),
    Containers: Object.fromEntries(
      endpoints.map(({ sandbox, endpoint }) => [
        sandbox.containerId,
        {
          Name: sandbox.containerName,
          EndpointID: endpoint.id,
          MacAddress: endpoint.mac,
          IPv4Address: endpoint.address === '' ? '' : `${endpoint.address}/${endpoint.prefix}`,
          IPv6Address: endpoint.ipv6 ? `${endpoint.ipv6.address}/${endpoint.ipv6.prefix}` : '',
        },
      ]),
    ),
  };
  const subnets = spaces.map((space) => {
    const { IPsInUse, DynamicIPsAvailable } = space.status();
    return `"${formatCidr(space.subnet)}":{"IPsInUse":${IPsInUse},"DynamicIPsAvailable":${DynamicIPsAvailable}}`;
  });
  const status = `{"IPAM":{"Subnets":{${subnets.join(',')}}}}`;
  return `${JSON.stringify(document).slice(0, -1)},"Status":${status}}`;
}
