import { type JsonObject, objectOr } from './json-objects';

const COMMITS = ['ContainerdCommit', 'RuncCommit', 'InitCommit'];

/** GET /info */
export function shapeSystemInfo(info: JsonObject, minor: number): JsonObject {
  if (minor >= 50) {
    delete info['BridgeNfIptables'];
    delete info['BridgeNfIp6tables'];
    return info;
  }
  delete info['DiscoveredDevices'];
  if (minor >= 49) return info;
  delete info['FirewallBackend'];
  for (const name of COMMITS) {
    const commit = objectOr(info[name]);
    info[name] = { ...commit, Expected: commit['ID'] ?? '' };
  }
  if (minor < 47) {
    info['RegistryConfig'] = {
      AllowNondistributableArtifactsCIDRs: null,
      AllowNondistributableArtifactsHostnames: null,
      ...objectOr(info['RegistryConfig']),
    };
  }
  if (minor < 25) shapeSecurityOptions(info);
  return info;
}

/** Names alone, and a field of the time before OCI runtimes. */
function shapeSecurityOptions(info: JsonObject): void {
  const options = Array.isArray(info['SecurityOptions']) ? info['SecurityOptions'] : [];
  info['SecurityOptions'] = options.map((option) => /name=([^,]*)/.exec(String(option))?.[1] ?? option);
  info['ExecutionDriver'] = '<not supported>';
}
