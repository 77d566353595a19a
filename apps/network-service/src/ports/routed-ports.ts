import type { PortRequest, PublishedPort } from '../records/sandbox-record';

/**
 * Ports of a container that is reached by its own addresses (gateway mode `routed`): they are opened, and take none of
 * the host's.
 */
export function routedPorts(requests: readonly PortRequest[], addresses: readonly string[]): PublishedPort[] {
  return requests.flatMap(({ protocol, containerPort }) =>
    addresses.map((address) => ({
      protocol,
      containerPort,
      hostIp: address.includes(':') ? '::' : '0.0.0.0',
      hostPort: 0,
      address,
    })),
  );
}

export const isRouted = (port: PublishedPort): boolean => port.hostPort === 0;
