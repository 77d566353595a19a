import type { NetworkRecord } from '../records/network-record';
import type { EndpointRecord } from '../records/sandbox-record';

/**
 * The endpoint that gives a container its default route and its published ports: the highest GwPriority, then the first
 * by the name of its network. Internal networks give none.
 */
export function gatewayEndpoint(
  endpoints: readonly EndpointRecord[],
  networkOf: (id: string) => NetworkRecord | undefined,
): EndpointRecord | undefined {
  const nameOf = (endpoint: EndpointRecord): string => networkOf(endpoint.networkId)?.name ?? '';
  const priorityOf = (endpoint: EndpointRecord): number => endpoint.settings.GwPriority ?? 0;
  return endpoints
    .filter((endpoint) => endpoint.gateway !== '')
    .sort((a, b) => priorityOf(b) - priorityOf(a) || (nameOf(a) < nameOf(b) ? -1 : 1))[0];
}
