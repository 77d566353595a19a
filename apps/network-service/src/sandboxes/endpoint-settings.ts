import { forbidden, invalidArgument, notImplemented } from '@gantry/shared/errors';
import { contains, type Family, isLinkLocal, parseCidr, parseIp } from '../ipam/cidr';
import { isDefaultBridge, type NetworkRecord } from '../records/network-record';
import type { EndpointSettings } from '../records/sandbox-record';

export const DRIVER_OPTION = {
  sysctls: 'com.docker.network.endpoint.sysctls',
  interfaceName: 'com.docker.network.endpoint.ifname',
} as const;

/** API: EndpointSettings as JSON bytes; empty means nothing was set. */
export function parseEndpointSettings(bytes: Uint8Array): EndpointSettings {
  if (bytes.length === 0) return {};
  const given = (JSON.parse(Buffer.from(bytes).toString('utf8')) ?? {}) as EndpointSettings;
  const { IPAMConfig, Links, Aliases, MacAddress, DriverOpts, GwPriority } = given;
  return { IPAMConfig, Links, Aliases, MacAddress, DriverOpts, GwPriority };
}

/** Whether nothing asks for an interface other than a ready one of the pool. */
export function isPlain(settings: EndpointSettings): boolean {
  return (
    !staticAddress(settings, 4) &&
    !staticAddress(settings, 6) &&
    !settings.IPAMConfig?.LinkLocalIPs?.length &&
    !settings.MacAddress &&
    Object.keys(settings.DriverOpts ?? {}).length === 0
  );
}

export function staticAddress(settings: EndpointSettings, family: Family): string | undefined {
  const { IPv4Address, IPv6Address } = settings.IPAMConfig ?? {};
  return (family === 4 ? IPv4Address : IPv6Address) || undefined;
}

/**
 * `net.ipv4.conf.IFNAME.log_martians=1,...` of the driver options, for the interface's real name. The CLI makes it lower
 * case.
 */
export function endpointSysctls(
  settings: EndpointSettings,
  interfaceName: string,
): { name: string; value: string }[] {
  const text = settings.DriverOpts?.[DRIVER_OPTION.sysctls] ?? '';
  return text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => {
      const match = /^(net\.(?:ipv4|ipv6|mpls)\.[a-z]+)\.ifname\.([a-z0-9_]+)=(.*)$/i.exec(part);
      if (!match) throw invalidArgument(`invalid sysctl for an interface: "${part}"`);
      const [, prefix = '', setting = '', value = ''] = match;
      return { name: `${prefix.replaceAll('.', '/')}/${interfaceName}/${setting}`, value };
    });
}

/** @throws EngineErrors in dockerd's words for what this network cannot give. */
export function checkEndpointSettings(network: NetworkRecord, settings: EndpointSettings): void {
  const invalid = (reason: string) =>
    invalidArgument(`invalid config for network ${network.name}: invalid endpoint settings:\n${reason}`);
  for (const family of [4, 6] as const) {
    const address = staticAddress(settings, family);
    if (address !== undefined) checkStaticAddress(network, family, address, invalid);
  }
  for (const address of settings.IPAMConfig?.LinkLocalIPs ?? []) {
    const ip = parseIp(address);
    if (!ip || !isLinkLocal(ip)) throw invalid(`invalid link-local IP address: ${address}`);
  }
  if (settings.Aliases?.length && isDefaultBridge(network)) {
    throw invalid('network-scoped alias is supported only for containers in user defined networks');
  }
  if (settings.MacAddress && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(settings.MacAddress)) {
    throw invalidArgument(`invalid MAC address: ${settings.MacAddress}`);
  }
  for (const key of Object.keys(settings.DriverOpts ?? {})) {
    if (key.startsWith('com.docker.network.') && !(Object.values(DRIVER_OPTION) as string[]).includes(key)) {
      throw notImplemented(`the endpoint option ${key} is not supported yet`);
    }
  }
  const name = settings.DriverOpts?.[DRIVER_OPTION.interfaceName];
  if (name !== undefined && (!/^[^\s/:]{1,15}$/.test(name) || name === 'lo')) {
    throw invalidArgument(`invalid interface name: "${name}"`);
  }
  endpointSysctls(settings, 'IFNAME');
}

function checkStaticAddress(
  network: NetworkRecord,
  family: Family,
  address: string,
  invalid: (reason: string) => Error,
): void {
  const ip = parseIp(address);
  if (ip?.family !== family) throw invalid(`invalid IPv${family} address: ${address}`);
  if (isDefaultBridge(network) || network.driver === 'host' || network.driver === 'null') {
    throw invalid('user specified IP address is supported on user defined networks only');
  }
  const subnets = network.ipam.config.flatMap(({ subnet, chosen }) => {
    const cidr = parseCidr(subnet);
    return cidr?.family === family ? [{ cidr, chosen }] : [];
  });
  const home = subnets.find(({ cidr }) => contains(cidr, ip));
  if (!home) throw invalid(`no configured subnet or ip-range contain the IP address ${address}`);
  if (!home.chosen) {
    throw invalid(
      'user specified IP address is supported only when connecting to networks with user configured subnets',
    );
  }
}

/** Networks that have no namespace of their own to be attached to. @throws Forbidden in dockerd's words */
export function checkConnectable(network: NetworkRecord): void {
  if (network.driver === 'host') {
    throw forbidden('container cannot be disconnected from host network or connected to host network');
  }
  if (network.driver === 'null') {
    throw forbidden(
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}
