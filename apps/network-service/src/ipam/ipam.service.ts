import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { forbidden, internal, invalidArgument } from '@gantry/shared/errors';
import { configuredAddressPools } from '../config';
import type { NetworkRecord } from '../records/network-record';
import { type AddressPool, addressPools, firstFreeSubnet } from './address-pools';
import { AddressSpace } from './address-space';
import {
  type Cidr,
  contains,
  type Family,
  formatCidr,
  formatIp,
  type Ip,
  overlaps,
  parseCidr,
  parseIp,
} from './cidr';

interface NetworkSpaces {
  network: NetworkRecord;
  spaces: AddressSpace[];
}

/** Which subnets and addresses of this node are taken. In memory; rebuilt from the records on disk at each start. */
@Injectable()
export class IpamService {
  private readonly networks = new Map<string, NetworkSpaces>();
  private readonly pools;

  constructor(@Inject(INSTANCE_CONFIG) config: Pick<InstanceConfig, 'nodeId'>) {
    this.pools = addressPools(configuredAddressPools(), config.nodeId);
  }

  /**
   * A subnet that neither a network nor a route or address of the host has.
   * @param prefix length of the subnet's prefix; 0, undefined: as the pools say
   * @throws InvalidArgument in dockerd's words when none is left, or no pool is as large
   */
  pickSubnet(
    family: Family,
    use: 'defaultBridge' | 'networks',
    hostSubnets: readonly Cidr[],
    prefix = 0,
  ): Cidr {
    const taken = [...this.networks.values()].flatMap(({ spaces }) => spaces.map((space) => space.subnet));
    const pools = prefix === 0 ? this.pools[use] : poolsOf(this.pools[use], prefix);
    if (!pools.some(({ range }) => range.family === family)) throw invalidArgument('invalid address pool');
    const free = firstFreeSubnet(pools, family, [...taken, ...hostSubnets]);
    if (free) return free;
    const ranges = pools.filter(({ range }) => range.family === family);
    throw invalidArgument(
      `could not find an available, non-overlapping IPv${family} address pool among the defaults to assign to the network: ` +
        `all predefined address pools have been fully subnetted (${ranges
          .map(({ range, size }) => `${formatCidr(range)} in /${size}`)
          .join(', ')})`,
    );
  }

  /** @throws Forbidden in dockerd's words, with whose it is, when another network has (part of) the subnet. */
  checkFree(subnet: Cidr): void {
    for (const { network, spaces } of this.networks.values()) {
      const other = spaces.find((space) => overlaps(space.subnet, subnet));
      if (!other) continue;
      throw forbidden(
        'invalid pool request: Pool overlaps with other one on this address space: ' +
          `${formatCidr(subnet)} and ${formatCidr(other.subnet)} of network ${network.name} (${network.id})`,
      );
    }
  }

  /** @throws Internal in dockerd's words where a new network sets an address apart twice, or one that nobody can have. */
  checkReservations({ ipam }: Pick<NetworkRecord, 'ipam'>): void {
    for (const { subnet, gateway, auxiliaryAddresses } of ipam.config) {
      const space = new AddressSpace(required(parseCidr(subnet), subnet));
      const reserve = (what: string, address: string): void => {
        const ip = parseIp(address);
        if (ip === undefined) return;
        if (space.isUsed(ip)) throw internal(`failed to allocate ${what}: Address already in use`);
        space.claim(ip);
      };
      reserve(`gateway (${gateway})`, gateway);
      for (const [name, address] of Object.entries(auxiliaryAddresses)) {
        reserve(`secondary ip address (${name}:${address})`, address);
      }
    }
  }

  /** Takes the subnets of a network, its gateways and auxiliary addresses. */
  addNetwork(network: NetworkRecord): void {
    const spaces = network.ipam.config.map((config) => {
      const subnet = required(parseCidr(config.subnet), config.subnet);
      const space = new AddressSpace(subnet, config.ipRange ? parseCidr(config.ipRange) : undefined);
      for (const address of [config.gateway, ...Object.values(config.auxiliaryAddresses)]) {
        const ip = parseIp(address);
        if (ip !== undefined && !space.isUsed(ip)) space.claim(ip);
      }
      return space;
    });
    this.networks.set(network.id, { network, spaces });
  }

  removeNetwork(networkId: string): void {
    this.networks.delete(networkId);
  }

  /** @throws Internal in dockerd's words when the network has no address of this family left. */
  allocate(network: NetworkRecord, family: Family): Ip {
    const spaces = this.spacesOf(network.id).filter((space) => space.subnet.family === family);
    for (const space of spaces) {
      const ip = space.allocate();
      if (ip !== undefined) return ip;
    }
    throw internal(
      `no available IPv${family} addresses on this network's address pools: ${network.name} (${network.id})`,
    );
  }

  /** A given address. @throws InvalidArgument or Forbidden in dockerd's words. */
  claim(network: NetworkRecord, ip: Ip): void {
    const space = this.spaceOf(network.id, ip);
    if (!space) {
      throw invalidArgument(`no configured subnet contains IP address ${formatIp(ip)}`);
    }
    space.claim(ip);
  }

  /** The same for an address that need not be that one: false where it is not free. */
  claimFree(networkId: string, ip: Ip): boolean {
    const space = this.spaceOf(networkId, ip);
    if (!space || space.isUsed(ip) || !space.isDynamic(ip)) return false;
    space.claim(ip);
    return true;
  }

  /** Does not count as in use any more, and is not to be had before it is released. */
  retire(networkId: string, ip: Ip): void {
    this.spaceOf(networkId, ip)?.retire(ip);
  }

  release(networkId: string, ip: Ip): void {
    this.spaceOf(networkId, ip)?.release(ip);
  }

  isUsed(networkId: string, ip: Ip): boolean {
    return this.spaceOf(networkId, ip)?.isUsed(ip) ?? false;
  }

  spacesOf(networkId: string): readonly AddressSpace[] {
    return this.networks.get(networkId)?.spaces ?? [];
  }

  private spaceOf(networkId: string, ip: Ip): AddressSpace | undefined {
    return this.networks.get(networkId)?.spaces.find((space) => contains(space.subnet, ip));
  }
}

function required(cidr: Cidr | undefined, text: string): Cidr {
  if (!cidr) throw internal(`bad subnet ${text} in a network's record`);
  return cidr;
}

/** The pools, cut into pieces of another size. */
const poolsOf = (pools: readonly AddressPool[], prefix: number): AddressPool[] =>
  pools.filter(({ range }) => range.prefix <= prefix).map(({ range }) => ({ range, size: prefix }));
