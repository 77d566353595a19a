import { invalidArgument } from '@gantry/shared/errors';
import type { JsonObjectBody } from '../routing/json-body';
import { isObject, type JsonObject, objectOr } from './json-objects';
import { normalizeMount, unusedVolumeDriver } from './mount-requests';

/** From 1.52 on the field is not part of the API (version history, 1.52). */
const CONTAINER_WIDE_MAC_UNTIL = 52;

/**
 * The body of POST /containers/create as the newest version means it: what an older version did not know is dropped, as
 * a daemon of its time did, and what was moved since is moved. Untouched bytes where there is nothing to do.
 * @throws InvalidArgument in Docker's words.
 */
export function normalizeContainerCreate(
  body: JsonObjectBody,
  minor: number,
): { config: Buffer; warnings: string[] } {
  const config = body.document;
  const warnings: string[] = [];
  let changed = false;
  const touch = (condition: boolean, change: () => void) => {
    if (!condition) return;
    change();
    changed = true;
  };
  const host = objectOr(config['HostConfig']);

  // Until 1.24 the client removed its container itself.
  touch(minor < 25 && host['AutoRemove'] === true, () => (host['AutoRemove'] = false));
  touch(minor < 40 && isObject(config['HostConfig']), () => {
    host['IpcMode'] ||= 'shareable';
    delete host['KernelMemoryTCP'];
  });
  touch(minor < 41 && isObject(config['HostConfig']), () => {
    host['CgroupnsMode'] ||= 'host';
  });
  touch(minor < 42 && 'ConsoleSize' in host, () => delete host['ConsoleSize']);
  touch(minor >= 42 && 'KernelMemory' in host, () => delete host['KernelMemory']);
  touch(minor >= 52 && 'KernelMemoryTCP' in host, () => delete host['KernelMemoryTCP']);
  touch(minor < 43 && 'Annotations' in host, () => delete host['Annotations']);
  touch(minor < 56 && 'Umask' in host, () => delete host['Umask']);
  const health = config['Healthcheck'];
  touch(minor < 44 && isObject(health) && 'StartInterval' in health, () => {
    delete (health as JsonObject)['StartInterval'];
  });
  touch(minor < 48 && Array.isArray(host['Mounts']), () => {
    for (const mount of host['Mounts'] as unknown[]) normalizeMount(objectOr(mount), minor);
  });
  touch(minor < 48 && isObject(config['NetworkingConfig']), () => normalizeEndpoints(config, minor));
  const ports = objectOr(host['PortBindings']);
  const unbound = Object.keys(ports).filter(
    (port) => !Array.isArray(ports[port]) || ports[port].length === 0,
  );
  touch(unbound.length > 0, () => warnings.push(...bindAnywhere(ports, unbound, minor)));
  if (minor >= 48) warnings.push(...unusedVolumeDriver(host));
  if (minor < 44) checkSingleEndpoint(config);
  if (minor < CONTAINER_WIDE_MAC_UNTIL) {
    touch(Boolean(config['MacAddress']), () => moveMacAddress(config, host, minor, warnings));
  }
  return { config: changed ? Buffer.from(JSON.stringify(config)) : body.bytes, warnings };
}

/** The body of POST /containers/{id}/update. */
export function normalizeResources(body: JsonObjectBody, minor: number): Buffer {
  const { document } = body;
  const dropped = [
    ...(minor < 40 ? ['PidsLimit'] : []),
    ...(minor >= 42 ? ['KernelMemory'] : []),
    ...(minor >= 52 ? ['KernelMemoryTCP'] : []),
  ].filter((name) => name in document);
  if (dropped.length === 0) return body.bytes;
  for (const name of dropped) delete document[name];
  return Buffer.from(JSON.stringify(document));
}

/** The body of POST /containers/{id}/exec. ConsoleSize came with 1.42. */
export function normalizeExecCreate(body: JsonObjectBody, minor: number): Buffer {
  if (minor >= 42 || !('ConsoleSize' in body.document)) return body.bytes;
  delete body.document['ConsoleSize'];
  return Buffer.from(JSON.stringify(body.document));
}

/** EndpointConfig of POST /networks/{id}/connect. Its MacAddress works since 1.54, and was ignored before. */
export function normalizeEndpointSettings(settings: unknown, minor: number): JsonObject | undefined {
  if (!isObject(settings)) return undefined;
  if (minor < 54) delete settings['MacAddress'];
  return settings;
}

/** Before 1.44 a container could be created on one network only. */
function checkSingleEndpoint(config: JsonObject): void {
  const names = Object.keys(objectOr(objectOr(config['NetworkingConfig'])['EndpointsConfig']));
  if (names.length > 1) {
    throw invalidArgument(`Container cannot be created with multiple network endpoints: ${names.join(', ')}`);
  }
}

/** An endpoint's MAC address can be told since 1.44, and which of them has the default route since 1.48. */
function normalizeEndpoints(config: JsonObject, minor: number): void {
  const endpoints = objectOr(objectOr(config['NetworkingConfig'])['EndpointsConfig']);
  for (const endpoint of Object.values(endpoints)) {
    delete objectOr(endpoint)['GwPriority'];
    if (minor < 44) delete objectOr(endpoint)['MacAddress'];
  }
}

/** A port without a binding means any port of the host; since 1.52 it is warned of. Warnings. */
function bindAnywhere(ports: JsonObject, unbound: string[], minor: number): string[] {
  for (const port of unbound) ports[port] = [{}];
  if (minor < 52) return [];
  return [
    `Following container port(s) have an empty list of port-bindings: ${unbound.join(', ')}. ` +
      'Such bindings will be discarded in a future version.',
  ];
}

/** The container-wide MAC address belongs to the endpoint of the container's main network since 1.44. */
function moveMacAddress(config: JsonObject, host: JsonObject, minor: number, warnings: string[]): void {
  const mac = config['MacAddress'];
  delete config['MacAddress'];
  const mode = String(host['NetworkMode'] || 'default');
  if (mode === 'host' || mode === 'none' || mode.startsWith('container:')) {
    throw invalidArgument('conflicting options: mac-address and the network mode');
  }
  const networking = isObject(config['NetworkingConfig']) ? config['NetworkingConfig'] : {};
  const endpoints = isObject(networking['EndpointsConfig']) ? networking['EndpointsConfig'] : {};
  config['NetworkingConfig'] = networking;
  networking['EndpointsConfig'] = endpoints;
  // The main network may be given by another of its names (an id): a single endpoint is the main one.
  const names = Object.keys(endpoints);
  const name = mode in endpoints || names.length !== 1 ? mode : (names[0] ?? mode);
  const endpoint = isObject(endpoints[name]) ? endpoints[name] : {};
  endpoints[name] = endpoint;
  if (minor >= 44 && endpoint['MacAddress'] && endpoint['MacAddress'] !== mac) {
    throw invalidArgument(
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, ' +
        'or be left empty',
    );
  }
  endpoint['MacAddress'] = mac;
  if (minor >= 44) {
    warnings.push(
      'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.',
    );
  }
}
