import { ENDPOINT_SETTINGS, type Struct } from '@gantry/shared/documents';
import { conflict, invalidArgument, isKind, messageOf } from '@gantry/shared/errors';
import { type Client, toJson } from '@gantry/shared/grpc';
import type { SandboxServiceServer } from '@gantry/proto/network';
import type { ContainerConfig, EndpointSettings, HostConfig } from '../records/api-documents';

/** API: NetworkingConfig. */
export interface NetworkingConfig {
  EndpointsConfig?: Record<string, EndpointSettings | null> | null;
}

export const NETWORKING_CONFIG: Struct = {
  struct: 'network.NetworkingConfig',
  fields: { EndpointsConfig: { map: ENDPOINT_SETTINGS } },
};

/** Whether a container of this mode may have endpoints on several networks. */
export function hasEndpoints(mode: string): boolean {
  return mode !== 'none' && mode !== 'host' && !mode.startsWith('container:');
}

/**
 * The endpoints a new container gets: those of NetworkingConfig, that of its NetworkMode first; where there are none, one on
 * the network of its NetworkMode.
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
  checkPortBindings(hostConfig.PortBindings ?? {});
  if (!hasEndpoints(mode)) {
    if (given.some(([name]) => name !== mode)) {
      throw invalidArgument(
        'conflicting options: cannot attach both user-defined and non-user-defined network-modes',
      );
    }
    return mode === 'none' || mode === 'host' ? { [mode]: Object.fromEntries(given)[mode] ?? {} } : {};
  }
  const named = given.some(([name]) => name === mode);
  const endpoints: Record<string, EndpointSettings> = named || given.length === 0 ? { [mode]: {} } : {};
  for (const [name, settings] of given) endpoints[name] = settings;
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
    throw invalidArgument(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
}

/** As far as dockerd looks before a container starts. */
function checkPortBindings(bindings: NonNullable<HostConfig['PortBindings']>): void {
  const invalid = (text: string) => invalidArgument(`invalid port specification: "${text}"`);
  for (const [key, list] of Object.entries(bindings)) {
    const [port = '', protocol = 'tcp'] = key.split('/');
    if (Number(port) === 0 && port !== '') throw invalid(`${port}/${protocol}`);
    for (const { HostPort = '' } of list ?? [])
      if (HostPort !== '' && !isPortRange(HostPort)) throw invalid(HostPort);
  }
}

function isPortRange(text: string): boolean {
  const [first = '', last = first, ...more] = text.split('-');
  const isPort = (part: string): boolean => /^\d{1,5}$/.test(part) && Number(part) <= 65_535;
  return more.length === 0 && isPort(first) && isPort(last) && Number(first) <= Number(last);
}

/**
 * Asks network-service about what it may refuse; the network itself may still be missing when a container is created.
 * @throws InvalidArgument in Docker's words
 */
export async function checkEndpoints(
  sandboxes: Pick<Client<SandboxServiceServer>, 'checkEndpoint'>,
  endpoints: Record<string, EndpointSettings>,
): Promise<void> {
  for (const [network, settings] of Object.entries(endpoints)) {
    if (isPlain(network, settings)) continue;
    try {
      await sandboxes.checkEndpoint({ endpoint: { network, settings: toJson(settings).json } });
    } catch (error) {
      if (isKind(error, 'NotFound')) continue;
      if (!isKind(error, 'InvalidArgument')) throw error;
      throw invalidArgument(`invalid config for network ${network}: ${messageOf(error)}`);
    }
  }
}

/** Whether every network would take it: then a container that is created need not wait for an answer. */
function isPlain(network: string, settings: EndpointSettings): boolean {
  const { IPAMConfig, MacAddress, DriverOpts, Aliases } = settings;
  const { IPv4Address, IPv6Address, LinkLocalIPs } = IPAMConfig ?? {};
  const isPredefined = !hasEndpoints(network) || network === 'bridge';
  return (
    !IPv4Address &&
    !IPv6Address &&
    !LinkLocalIPs?.length &&
    !MacAddress &&
    Object.keys(DriverOpts ?? {}).length === 0 &&
    !(isPredefined && Aliases?.length)
  );
}
