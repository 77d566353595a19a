import { isIP } from 'node:net';
import { conflict, invalidArgument } from '@gantry/shared/errors';
import type { ContainerConfig, EndpointSettings, HostConfig } from '../records/api-documents';

/** API: NetworkingConfig. */
export interface NetworkingConfig {
  EndpointsConfig?: Record<string, EndpointSettings | null> | null;
}

/** Whether a container of this mode has endpoints of its own. */
export function hasEndpoints(mode: string): boolean {
  return mode !== 'none' && mode !== 'host' && !mode.startsWith('container:');
}

/**
 * The endpoints a new container gets: one on the network of its NetworkMode, first, and what NetworkingConfig adds.
 * @throws InvalidArgument or Conflict in Docker's words.
 */
export function requestedEndpoints(
  config: ContainerConfig & { MacAddress?: string },
  hostConfig: HostConfig,
  networking: NetworkingConfig | null | undefined,
): Record<string, EndpointSettings> {
  const mode = hostConfig.NetworkMode;
  const given = Object.entries(networking?.EndpointsConfig ?? {}).map(
    ([name, settings]) => [name === 'default' ? 'bridge' : name, settings ?? {}] as const,
  );
  checkMode(config, hostConfig);
  if (!hasEndpoints(mode)) {
    if (given.some(([name]) => name !== mode)) {
      throw invalidArgument(
        'conflicting options: cannot attach both user-defined and non-user-defined network-modes',
      );
    }
    for (const [, settings] of given) checkPredefined(settings);
    return {};
  }
  const endpoints: Record<string, EndpointSettings> = { [mode]: {} };
  for (const [name, settings] of given) {
    checkSettings(name, settings);
    endpoints[name] = settings;
  }
  const main = endpoints[mode];
  if (main && config.MacAddress && !main.MacAddress) main.MacAddress = config.MacAddress;
  return endpoints;
}

function checkMode(config: ContainerConfig, hostConfig: HostConfig): void {
  const mode = hostConfig.NetworkMode;
  const publishes = Object.keys(hostConfig.PortBindings ?? {}).length > 0 || hostConfig.PublishAllPorts;
  if (mode.startsWith('container:')) {
    const conflicts = (what: string) => conflict(`conflicting options: ${what} and the network mode`);
    if (config.Hostname !== '') throw conflicts('hostname');
    if (hostConfig.Dns?.length) throw conflict('conflicting options: dns and the network mode');
    if (hostConfig.ExtraHosts?.length) {
      throw conflict('conflicting options: custom host-to-IP mapping and the network mode');
    }
    if (publishes) {
      throw conflict('conflicting options: port publishing and the container type network mode');
    }
    if (Object.keys(config.ExposedPorts ?? {}).length > 0) {
      throw conflict('conflicting options: port exposing and the container type network mode');
    }
  }
  if (hostConfig.Links?.length && mode === 'host') {
    throw invalidArgument("conflicting options: host type networking can't be used with links");
  }
}

/** For create and connect alike. */
export function checkSettings(network: string, settings: EndpointSettings): void {
  const { IPv4Address, IPv6Address } = settings.IPAMConfig ?? {};
  if (IPv4Address && isIP(IPv4Address) !== 4) throw invalidArgument(`invalid IPv4 address: ${IPv4Address}`);
  if (IPv6Address && isIP(IPv6Address) !== 6) throw invalidArgument(`invalid IPv6 address: ${IPv6Address}`);
  if (network === 'bridge') checkPredefined(settings);
}

/** What only networks of the user's can give. */
function checkPredefined({ IPAMConfig, Aliases }: EndpointSettings): void {
  if (IPAMConfig?.IPv4Address || IPAMConfig?.IPv6Address) {
    throw invalidArgument('user specified IP address is supported on user defined networks only');
  }
  if (Aliases?.length) {
    throw invalidArgument('network-scoped alias is supported only for containers in user defined networks');
  }
}
