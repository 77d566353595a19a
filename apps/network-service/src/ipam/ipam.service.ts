import { Injectable } from '@nestjs/common';
import { forbidden, internal, invalidArgument } from '@gantry/shared/errors';
import type { NetworkRecord } from '../records/network-record';
import { AddressSpace } from './address-space';
import { type Cidr, contains, formatIp, overlaps, parseCidr, parseIp } from './cidr';
import { firstFreeSubnet } from './default-pools';

/** Which subnets and addresses of this node are taken. In memory; rebuilt from the records on disk at each start. */
@Injectable()
export class IpamService {
  private readonly spaces = new Map<string, AddressSpace[]>();

  /** A subnet that neither a network nor a route or address of the host has. @throws InvalidArgument when none is left. */
  pickSubnet(hostSubnets: readonly Cidr[]): Cidr {
    const free = firstFreeSubnet([...this.subnets(), ...hostSubnets]);
    if (!free) throw invalidArgument('all predefined address pools have been fully subnetted');
    return free;
  }

  /** @throws Forbidden in dockerd's words when another network has (part of) the subnet. */
  checkFree(subnet: Cidr): void {
    if (this.subnets().some((taken) => overlaps(taken, subnet))) {
      throw forbidden('invalid pool request: Pool overlaps with other one on this address space');
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
    this.spaces.set(network.id, spaces);
  }

  removeNetwork(networkId: string): void {
    this.spaces.delete(networkId);
  }

  /** @throws Internal in dockerd's words when the network has no address left. */
  allocate(network: NetworkRecord): number {
    for (const space of this.spaces.get(network.id) ?? []) {
      const ip = space.allocate();
      if (ip !== undefined) return ip;
    }
    throw internal(
      `no available IPv4 addresses on this network's address pools: ${network.name} (${network.id})`,
    );
  }

  /** A given address. @throws InvalidArgument or Forbidden in dockerd's words. */
  claim(network: NetworkRecord, ip: number): void {
    const space = this.spaceOf(network.id, ip);
    if (!space) {
      throw invalidArgument(`no configured subnet or ip range contain the IP address ${formatIp(ip)}`);
    }
    space.claim(ip);
  }

  release(networkId: string, ip: number): void {
    this.spaceOf(networkId, ip)?.release(ip);
  }

  isUsed(networkId: string, ip: number): boolean {
    return this.spaceOf(networkId, ip)?.isUsed(ip) ?? false;
  }

  spacesOf(networkId: string): readonly AddressSpace[] {
    return this.spaces.get(networkId) ?? [];
  }

  private spaceOf(networkId: string, ip: number): AddressSpace | undefined {
    return this.spaces.get(networkId)?.find((space) => contains(space.subnet, ip));
  }

  private subnets(): Cidr[] {
    return [...this.spaces.values()].flat().map((space) => space.subnet);
  }
}

function required(cidr: Cidr | undefined, text: string): Cidr {
  if (!cidr) throw internal(`bad subnet ${text} in a network's record`);
  return cidr;
}
