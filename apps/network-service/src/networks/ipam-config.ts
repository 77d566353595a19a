import { forbidden, internal, invalidArgument } from '@gantry/shared/errors';
import {
  type Cidr,
  contains,
  formatCidr,
  formatIp,
  overlaps,
  parseCidr,
  parseIp,
  sizeOf,
} from '../ipam/cidr';
import type { NetworkRecord, SubnetRecord } from '../records/network-record';
import { needsGateway } from '../records/network-options';

/** API: IPAM, as in a request. */
export interface IpamConfig {
  Driver?: string;
  Options?: Record<string, string> | null;
  Config?: SubnetConfig[] | null;
}

export interface SubnetConfig {
  Subnet?: string;
  Gateway?: string;
  IPRange?: string;
  AuxiliaryAddresses?: Record<string, string> | null;
}

type Shape = Pick<NetworkRecord, 'driver' | 'internal' | 'options'>;

/**
 * The subnets that the user chose, those of a family that is off left out as dockerd does.
 * @throws InvalidArgument with all that is wrong, a line each, in dockerd's words
 */
export function parseSubnets(
  configs: readonly SubnetConfig[],
  network: Shape,
  families: { ipv4: boolean; ipv6: boolean },
): SubnetRecord[] {
  const complaints: string[] = [];
  const subnets: Cidr[] = [];
  const records = configs.flatMap((config) => {
    const text = config.Subnet ?? '';
    if (text === '') {
      if (config.Gateway || config.IPRange) {
        throw invalidArgument('user specified a gateway or IP range without a subnet');
      }
      return [];
    }
    const subnet = parseCidr(text);
    if (!subnet) {
      complaints.push(`invalid subnet ${text}: invalid CIDR block notation`);
      return [];
    }
    if (!(subnet.family === 4 ? families.ipv4 : families.ipv6)) return [];
    complaints.push(...complaintsAbout(config, subnet));
    subnets.push(subnet);
    return [isOfAnyAddress(subnet) ? sizeRecord(config, subnet) : record(config, subnet, network)];
  });
  if (complaints.length > 0) throw invalidArgument(`invalid network config:\n${complaints.join('\n')}`);
  checkTogether(subnets, network);
  return records;
}

/** The record of a subnet that we chose. */
export const pickedSubnet = (subnet: Cidr, network: Shape): SubnetRecord => record({}, subnet, network);

/** `0.0.0.0/24`, `::/120`: a subnet of that size, wherever there is one. */
export const isOfAnyAddress = ({ base }: Cidr): boolean => base === 0n;

/** @throws in dockerd's words for addresses of a subnet that is not known yet */
function sizeRecord(config: SubnetConfig, subnet: Cidr): SubnetRecord {
  const { IPRange, Gateway, AuxiliaryAddresses } = config;
  const pool = formatCidr(subnet);
  if (IPRange) {
    throw invalidArgument(
      `failed to parse pool request for address space "LocalDefault" pool "" subpool "${IPRange}": invalid address subpool`,
    );
  }
  if (Gateway) throw internal(`failed to allocate gateway (${Gateway}): requested address is out of range`);
  const [auxiliary] = Object.entries(AuxiliaryAddresses ?? {});
  if (auxiliary) {
    throw invalidArgument(
      `auxiliary address: (${auxiliary.join(':')}) must belong to the master pool: ${pool}`,
    );
  }
  return { subnet: pool, gateway: '', auxiliaryAddresses: {} };
}

function record(config: SubnetConfig, subnet: Cidr, network: Shape): SubnetRecord {
  const range = config.IPRange ? parseCidr(config.IPRange) : undefined;
  const given = config.Gateway ? parseIp(config.Gateway) : undefined;
  const gateway = given
    ? formatIp(given)
    : needsGateway(network, subnet.family)
      ? firstAddress(range ?? subnet, subnet)
      : '';
  const auxiliary = Object.entries(config.AuxiliaryAddresses ?? {});
  return {
    subnet: formatCidr(subnet),
    gateway,
    ...(range && { ipRange: formatCidr(range) }),
    auxiliaryAddresses: Object.fromEntries(auxiliary),
  };
}

/** The first that a host can have. */
function firstAddress(range: Cidr, subnet: Cidr): string {
  const isNetworkAddress = range.base === subnet.base && sizeOf(subnet) > 2n;
  return formatIp({ family: range.family, value: isNetworkAddress ? range.base + 1n : range.base });
}

function complaintsAbout(config: SubnetConfig, subnet: Cidr): string[] {
  const complaints: string[] = [];
  const masked = formatCidr(subnet);
  if (!isMasked(config.Subnet ?? '', subnet)) {
    complaints.push(`invalid subnet ${config.Subnet}: it should be ${masked}`);
  }
  if (config.IPRange) complaints.push(...complaintsAboutRange(config.IPRange, subnet));
  const address = (what: string, text: string): void => {
    const ip = parseIp(text);
    if (!ip) complaints.push(`${what}: invalid address`);
    else if (ip.family !== subnet.family) {
      complaints.push(`${what}: parent subnet is an IPv${subnet.family} block`);
    } else if (!contains(subnet, ip)) {
      complaints.push(`${what}: parent subnet ${masked} doesn't contain this address`);
    }
  };
  if (config.Gateway) address(`invalid gateway ${config.Gateway}`, config.Gateway);
  for (const [name, ip] of Object.entries(config.AuxiliaryAddresses ?? {})) {
    if (ip !== '') address(`invalid auxiliary address ${name}`, ip);
  }
  return complaints;
}

function complaintsAboutRange(text: string, subnet: Cidr): string[] {
  const range = parseCidr(text);
  if (!range) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  if (range.family !== subnet.family) {
    return [`invalid ip-range ${text}: parent subnet is an IPv${subnet.family} block`];
  }
  const masked = formatCidr(subnet);
  const complaints: string[] = [];
  if (range.prefix < subnet.prefix) {
    complaints.push(`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${masked}`);
  }
  if (!isMasked(text, range)) complaints.push(`invalid ip-range ${text}: it should be ${formatCidr(range)}`);
  if (!overlaps(subnet, range)) {
    complaints.push(`invalid ip-range ${text}: parent subnet ${masked} doesn't contain ip-range`);
  }
  return complaints;
}

/** Whether no bit is set behind the prefix. */
function isMasked(text: string, cidr: Cidr): boolean {
  return parseIp(text.split('/')[0] ?? '')?.value === cidr.base;
}

const LINK_LOCAL: Cidr = { family: 6, base: 0xfe80n << 112n, prefix: 64 };

function checkTogether(subnets: readonly Cidr[], network: Shape): void {
  subnets.forEach((subnet, index) => {
    if (subnets.slice(0, index).some((other) => overlaps(other, subnet))) {
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
    }
    const isFirst = subnets.findIndex(({ family }) => family === subnet.family) === index;
    if (network.driver === 'bridge' && !isFirst) {
      throw forbidden("bridge driver doesn't support multiple subnets");
    }
    if (subnet.family === 6 && subnet.base >> 120n === 0xffn) {
      throw invalidArgument(`multicast subnet '${formatCidr(subnet)}' is not allowed`);
    }
    if (overlaps(subnet, LINK_LOCAL) && subnet.prefix !== LINK_LOCAL.prefix) {
      throw invalidArgument(`'${formatCidr(subnet)}' clashes with the Link-Local prefix 'fe80::/64'`);
    }
  });
}
