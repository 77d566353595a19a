import { dnsNames } from '../dns/dns-names';
import { isDefaultBridge, isPredefined, type NetworkRecord } from '../records/network-record';
import type { EndpointRecord, SandboxRecord } from '../records/sandbox-record';

/** API: NetworkSettings, with the fields of the default bridge at the top that older API versions have. */
export function networkSettings(
  sandbox: SandboxRecord,
  netnsPath: string,
  networkOf: (id: string) => NetworkRecord | undefined,
): Record<string, unknown> {
  const attached = sandbox.endpoints.flatMap((endpoint) => {
    const network = networkOf(endpoint.networkId);
    return network ? [{ endpoint, network }] : [];
  });
  const onBridge = attached.find(({ network }) => isDefaultBridge(network))?.endpoint;
  return {
    Bridge: '',
    SandboxID: sandbox.sandboxId,
    SandboxKey: netnsPath,
    Ports: portMap(sandbox),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: onBridge?.id ?? '',
    Gateway: onBridge?.gateway ?? '',
    GlobalIPv6Address: onBridge?.ipv6?.address ?? '',
    GlobalIPv6PrefixLen: onBridge?.ipv6?.prefix ?? 0,
    IPAddress: onBridge?.address ?? '',
    IPPrefixLen: onBridge?.prefix ?? 0,
    IPv6Gateway: onBridge?.ipv6?.gateway ?? '',
    MacAddress: onBridge?.mac ?? '',
    Networks: Object.fromEntries(
      attached.map(({ endpoint, network }) => [network.name, endpointDocument(sandbox, endpoint, network)]),
    ),
  };
}

function endpointDocument(
  sandbox: SandboxRecord,
  endpoint: EndpointRecord,
  network: NetworkRecord,
): Record<string, unknown> {
  const { settings } = endpoint;
  const hasNames = !isPredefined(network.name);
  return {
    IPAMConfig: settings.IPAMConfig ?? null,
    Links: settings.Links ?? null,
    Aliases: settings.Aliases ?? null,
    MacAddress: endpoint.mac,
    DriverOpts: settings.DriverOpts ?? null,
    GwPriority: settings.GwPriority ?? 0,
    NetworkID: endpoint.networkId,
    EndpointID: endpoint.id,
    Gateway: endpoint.gateway,
    IPAddress: endpoint.address,
    IPPrefixLen: endpoint.prefix,
    IPv6Gateway: endpoint.ipv6?.gateway ?? '',
    GlobalIPv6Address: endpoint.ipv6?.address ?? '',
    GlobalIPv6PrefixLen: endpoint.ipv6?.prefix ?? 0,
    DNSNames: hasNames ? dnsNames(sandbox, endpoint) : null,
  };
}

/** API: PortMap. An exposed port that is not published has null. */
function portMap(sandbox: SandboxRecord): Record<string, { HostIp: string; HostPort: string }[] | null> {
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const exposed of sandbox.exposedPorts) map[exposed] = null;
  for (const { containerPort, protocol, hostIp, hostPort } of sandbox.ports) {
    const key = `${containerPort}/${protocol}`;
    map[key] = [...(map[key] ?? []), { HostIp: hostIp, HostPort: hostPort === 0 ? '' : String(hostPort) }];
  }
  return map;
}
