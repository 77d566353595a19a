import type { Family } from '../ipam/cidr';
import type { DefaultRoute } from '../kernel/plans';
import type { NetworkRecord } from '../records/network-record';
import type { EndpointRecord } from '../records/sandbox-record';

/** The endpoints that give a container its default routes and its published ports. */
export interface GatewayEndpoints {
  ipv4?: EndpointRecord;
  ipv6?: EndpointRecord;
}

/**
 * Of each family the one with the highest GwPriority, then the first by the name of its network. Internal networks give
 * none.
 */
export function gatewayEndpoints(
  endpoints: readonly EndpointRecord[],
  networkOf: (id: string) => NetworkRecord | undefined,
): GatewayEndpoints {
  const nameOf = (endpoint: EndpointRecord): string => networkOf(endpoint.networkId)?.name ?? '';
  const priorityOf = (endpoint: EndpointRecord): number => endpoint.settings.GwPriority ?? 0;
  const ordered = [...endpoints].sort(
    (a, b) => priorityOf(b) - priorityOf(a) || (nameOf(a) < nameOf(b) ? -1 : 1),
  );
  return {
    ipv4: ordered.find((endpoint) => routeBy(endpoint, 4)),
    ipv6: ordered.find((endpoint) => routeBy(endpoint, 6)),
  };
}

export function defaultRoutes({ ipv4, ipv6 }: GatewayEndpoints): DefaultRoute[] {
  return [ipv4 && routeBy(ipv4, 4), ipv6 && routeBy(ipv6, 6)].filter((route) => route !== undefined);
}

/** The default route that an endpoint can give. */
function routeBy(endpoint: EndpointRecord, family: Family): DefaultRoute | undefined {
  const { interfaceName, routesByLink } = endpoint;
  const { address, gateway } = family === 4 ? endpoint : (endpoint.ipv6 ?? { address: '', gateway: '' });
  if (gateway !== '') return { family, gateway, interfaceName };
  return routesByLink && address !== '' ? { family, interfaceName } : undefined;
}
