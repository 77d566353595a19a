import { fillIn, isObject, type JsonObject, objectOr, reshape, reshapeEach } from './json-objects';

/**
 * The top-level address fields of NetworkSettings: those of the default bridge. Gone since API 1.52
 * (version history, 1.52), and older clients print them.
 */
const BRIDGE_ADDRESS_FIELDS: JsonObject = {
  EndpointID: '',
  Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  MacAddress: '',
};

const OTHER_OLD_NETWORK_FIELDS: JsonObject = {
  Bridge: '',
  HairpinMode: false,
  LinkLocalIPv6Address: '',
  LinkLocalIPv6PrefixLen: 0,
};

const NULL_NETWORK_FIELDS = ['SecondaryIPAddresses', 'SecondaryIPv6Addresses'];

/** GET /containers/{id}/json */
export function shapeContainerInspect(json: Buffer, minor: number): Buffer {
  if (minor >= 52 && !json.includes('"HairpinMode"')) return json;
  return reshape(json, (container) => {
    const settings = container['NetworkSettings'];
    if (isObject(settings)) {
      if (minor >= 52) dropOldNetworkFields(settings);
      else addOldNetworkFields(settings);
      if (minor < 45) addIdAliases(container, objectOr(settings['Networks']));
    }
    if (minor < 48) delete container['ImageManifestDescriptor'];
    if (minor < 52 && isObject(container['Config'])) container['Config']['OnBuild'] ??= null;
  });
}

/** GET /containers/json */
export function shapeContainerList(json: Buffer, minor: number): Buffer {
  return minor >= 52 ? json : reshapeEach(json, (container) => shapeContainerSummary(container, minor));
}

/** API: ContainerSummary, also in GET /system/df. */
export function shapeContainerSummary(container: JsonObject, minor: number): void {
  if (minor < 46 && isObject(container['HostConfig'])) delete container['HostConfig']['Annotations'];
  if (minor < 48) delete container['ImageManifestDescriptor'];
  if (minor < 52) delete container['Health'];
}

function addOldNetworkFields(settings: JsonObject): void {
  const bridge = objectOr(objectOr(settings['Networks'])['bridge']);
  for (const [name, absent] of Object.entries(BRIDGE_ADDRESS_FIELDS)) {
    settings[name] ??= bridge[name] ?? absent;
  }
  fillIn(settings, OTHER_OLD_NETWORK_FIELDS);
  for (const name of NULL_NETWORK_FIELDS) settings[name] ??= null;
}

function dropOldNetworkFields(settings: JsonObject): void {
  const names = [
    ...Object.keys(BRIDGE_ADDRESS_FIELDS),
    ...Object.keys(OTHER_OLD_NETWORK_FIELDS),
    ...NULL_NETWORK_FIELDS,
  ];
  for (const name of names) delete settings[name];
}

/**
 * Before 1.45 `Aliases` named the short id and the host name as well (version history, 1.45); not before the first start, by which
 * docker-compose 1 sees that it has to connect a new container with its links.
 */
function addIdAliases(container: JsonObject, networks: JsonObject): void {
  if (objectOr(container['State'])['Status'] === 'created') return;
  const shortId = String(container['Id'] ?? '').slice(0, 12);
  const hostname = [objectOr(container['Config'])['Hostname']].filter(Boolean);
  for (const [name, endpoint] of Object.entries(networks)) {
    if (!isObject(endpoint) || ['bridge', 'host', 'none'].includes(name)) continue;
    const aliases = Array.isArray(endpoint['Aliases']) ? (endpoint['Aliases'] as unknown[]) : [];
    endpoint['Aliases'] = [...new Set([...aliases, shortId, ...hostname])];
  }
}
