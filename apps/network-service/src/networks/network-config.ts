import { forbidden, invalidArgument, notFound, notImplemented, unavailable } from '@gantry/shared/errors';
import { type Cidr, contains, formatCidr, formatIp, parseCidr, parseIp } from '../ipam/cidr';
import { isPredefined, type NetworkDriver, type NetworkRecord, OPTION } from '../records/network-record';

/** API: NetworkCreateRequest. */
export interface NetworkCreateConfig {
  Name?: string;
  Driver?: string;
  Scope?: string;
  Internal?: boolean;
  Attachable?: boolean;
  Ingress?: boolean;
  ConfigOnly?: boolean;
  ConfigFrom?: { Network?: string } | null;
  IPAM?: {
    Driver?: string;
    Options?: Record<string, string> | null;
    Config?: SubnetConfig[] | null;
  } | null;
  EnableIPv4?: boolean | null;
  EnableIPv6?: boolean | null;
  Options?: Record<string, string> | null;
  Labels?: Record<string, string> | null;
}

interface SubnetConfig {
  Subnet?: string;
  Gateway?: string;
  IPRange?: string;
  AuxiliaryAddresses?: Record<string, string> | null;
}

/** A network that still lacks its id, and its subnet where the user gave none. */
export type NetworkDraft = Omit<NetworkRecord, 'id' | 'created'>;

const DRIVERS: Record<string, NetworkDriver> = {
  bridge: 'bridge',
  host: 'host',
  null: 'null',
  macvlan: 'macvlan',
  ipvlan: 'ipvlan',
};

/** `com.docker.network.*` options that are honoured, and those that only say what is the case anyway. */
const KNOWN_OPTIONS = new Set<string>(Object.values(OPTION));

/** @throws EngineErrors in dockerd's words for what is wrong, and NotImplemented for what is not built. */
export function parseNetworkConfig(config: NetworkCreateConfig): NetworkDraft {
  const name = config.Name ?? '';
  if (name.trim() === '') throw invalidArgument('invalid network name: name is empty');
  if (isPredefined(name)) throw forbidden(`operation is not permitted on predefined ${name} network`);
  const driver = parseDriver(config);
  refuseUnbuilt(config);
  const options = { ...config.Options };
  checkOptions(options);
  const subnets = (config.IPAM?.Config ?? []).map(parseSubnet);
  if (subnets.length > 1) throw notImplemented('networks with several IPv4 subnets are not supported');
  return {
    name,
    driver,
    internal: config.Internal ?? false,
    attachable: config.Attachable ?? false,
    labels: { ...config.Labels },
    options,
    ipam: {
      driver: config.IPAM?.Driver || 'default',
      options: { ...config.IPAM?.Options },
      config: subnets.filter((subnet) => subnet.subnet !== ''),
    },
    ownSubnet: subnets.some((subnet) => subnet.subnet !== ''),
    link: linkOf(driver, options),
  };
}

/** The subnet's record with a gateway: the first address of the range, as dockerd chooses. */
export function withGateway(subnet: Cidr): NetworkRecord['ipam']['config'][number] {
  return { subnet: formatCidr(subnet), gateway: firstAddress(subnet), auxiliaryAddresses: {} };
}

function parseDriver(config: NetworkCreateConfig): NetworkDriver {
  const name = config.Driver || 'bridge';
  if (name === 'overlay' || config.Ingress || config.Scope === 'swarm') {
    throw unavailable(
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }
  const driver = DRIVERS[name];
  if (!driver) throw notFound(`plugin "${name}" not found`);
  if (driver === 'host' || driver === 'null') {
    throw forbidden(`only one instance of "${driver}" network is allowed`);
  }
  return driver;
}

function refuseUnbuilt(config: NetworkCreateConfig): void {
  if (config.EnableIPv6) throw notImplemented('IPv6 networks are not supported yet');
  if (config.EnableIPv4 === false) throw notImplemented('networks without IPv4 are not supported yet');
  if (config.ConfigOnly || config.ConfigFrom?.Network) {
    throw notImplemented('config-only networks are not supported yet');
  }
  const ipamDriver = config.IPAM?.Driver || 'default';
  if (ipamDriver !== 'default') throw notFound(`plugin "${ipamDriver}" not found`);
}

function checkOptions(options: Record<string, string>): void {
  for (const [key, value] of Object.entries(options)) {
    if (key.startsWith('com.docker.network.') && !KNOWN_OPTIONS.has(key)) {
      throw notImplemented(`the network option ${key} is not supported yet`);
    }
    if (key === OPTION.gatewayMode && value !== 'nat') {
      throw notImplemented(`the gateway mode ${value} is not supported yet`);
    }
    if (key === OPTION.mtu && !/^\d{1,5}$/.test(value)) {
      throw invalidArgument(`failed to parse ${key} value: "${value}"`);
    }
    if (key === OPTION.bridgeName && !/^[^\s/:]{1,15}$/.test(value)) {
      throw invalidArgument(`invalid bridge name: "${value}"`);
    }
    if (key === OPTION.hostBinding && parseIp(value) === undefined) {
      throw invalidArgument(`failed to parse ${key} value: "${value}"`);
    }
  }
}

function linkOf(driver: NetworkDriver, options: Record<string, string>): string | undefined {
  if (driver === 'bridge') return options[OPTION.bridgeName];
  const parent = options[OPTION.parent];
  if (!parent) throw notImplemented(`${driver} networks need the option parent (-o parent=<interface>)`);
  return parent;
}

function parseSubnet(config: SubnetConfig): NetworkRecord['ipam']['config'][number] {
  const given = config.Subnet ?? '';
  if (given === '') {
    if (config.Gateway || config.IPRange) {
      throw invalidArgument('user specified a gateway or IP range without a subnet');
    }
    return { subnet: '', gateway: '', auxiliaryAddresses: {} };
  }
  if (given.includes(':')) throw notImplemented('IPv6 networks are not supported yet');
  const subnet = parseCidr(given);
  if (!subnet) throw invalidArgument(`invalid subnet: ${given}`);
  const range = config.IPRange ? parseCidr(config.IPRange) : undefined;
  if (config.IPRange && !range) throw invalidArgument(`invalid ip-range: ${config.IPRange}`);
  if (range && (range.prefix < subnet.prefix || !contains(subnet, range.base))) {
    throw invalidArgument(`invalid ip-range ${config.IPRange}: parent subnet is ${formatCidr(subnet)}`);
  }
  const inSubnet = (what: string, text: string): string => {
    const ip = parseIp(text);
    if (ip === undefined || !contains(subnet, ip)) {
      throw invalidArgument(`invalid ${what} ${text}: parent subnet is ${formatCidr(subnet)}`);
    }
    return formatIp(ip);
  };
  const auxiliary = Object.entries(config.AuxiliaryAddresses ?? {});
  return {
    subnet: formatCidr(subnet),
    gateway: config.Gateway ? inSubnet('gateway address', config.Gateway) : firstAddress(range ?? subnet),
    ...(range && { ipRange: formatCidr(range) }),
    auxiliaryAddresses: Object.fromEntries(
      auxiliary.map(([key, ip]) => [key, inSubnet('auxiliary address', ip)]),
    ),
  };
}

/** The first that a host can have: an aligned range begins with the network's own address. */
function firstAddress(range: Cidr): string {
  return formatIp(range.prefix < 31 ? range.base + 1 : range.base);
}
