import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import { contains, type Family, isLinkLocal, parseCidr, parseIp } from '../ipam/cidr';
import { isPredefined, type NetworkRecord } from '../records/network-record';
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
      if (!match) throw invalidArgument(`invalid endpoint settings:\n${unknownSysctl(part)}`);
      const [, prefix = '', setting = '', value = ''] = match;
      return { name: `${prefix.replaceAll('.', '/')}/${interfaceName}/${setting}`, value };
    });
}

const unknownSysctl = (text: string): string =>
  `unrecognised network interface sysctl '${text}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', ` +
  "'X' must be 'ipv4', 'ipv6' or 'mpls'";

/** @throws EngineErrors in dockerd's words for what this network cannot give. */
export function checkEndpointSettings(network: NetworkRecord, settings: EndpointSettings): void {
  const complaints = [
    ...complaintsAboutPredefined(network, settings),
    ...([4, 6] as const).flatMap((family) => complaintsAboutAddress(network, settings, family)),
    ...(settings.IPAMConfig?.LinkLocalIPs ?? []).flatMap((address) => {
      const ip = parseIp(address);
      return ip && isLinkLocal(ip) ? [] : [`invalid link-local IP address: ${address}`];
    }),
  ];
  if (settings.MacAddress && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(settings.MacAddress)) {
    throw invalidArgument(`invalid MAC address ${settings.MacAddress}`);
  }
  if (complaints.length > 0) {
    const list = complaints.length === 1 ? complaints : complaints.map((each) => `* ${each}`);
    throw invalidArgument(`invalid endpoint settings:\n${list.join('\n')}`);
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

function complaintsAboutPredefined(network: NetworkRecord, settings: EndpointSettings): string[] {
  if (!isPredefined(network.name)) return [];
  const hasAddress = staticAddress(settings, 4) ?? staticAddress(settings, 6);
  return [
    ...(hasAddress ? ['user specified IP address is supported on user defined networks only'] : []),
    ...(settings.Aliases?.length
      ? ['network-scoped alias is supported only for containers in user defined networks']
      : []),
  ];
}

function complaintsAboutAddress(
  network: NetworkRecord,
  settings: EndpointSettings,
  family: Family,
): string[] {
  const address = staticAddress(settings, family);
  if (address === undefined) return [];
  const ip = parseIp(address);
  if (ip?.family !== family) return [`invalid IPv${family} address: ${address}`];
  if (isPredefined(network.name)) return [];
  const isContained = network.ipam.config.some(({ subnet }) => {
    const cidr = parseCidr(subnet);
    return cidr !== undefined && contains(cidr, ip);
  });
  return isContained ? [] : [`no configured subnet contains IP address ${address}`];
}

/** Networks that have no namespace of their own to be attached to. @throws InvalidArgument in dockerd's words */
export function checkConnectable(network: NetworkRecord): void {
  if (network.driver === 'host') {
    throw invalidArgument(
      'cannot connect container to host network - container must be created in host network mode',
    );
  }
  if (network.driver === 'null') {
    throw invalidArgument(
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}
