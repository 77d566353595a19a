import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { EngineError, internal, isKind } from '@gantry/shared/errors';
import {
  contains,
  type Family,
  formatIp,
  type Ip,
  isLinkLocal,
  macFor,
  parseCidr,
  parseIp,
} from '../ipam/cidr';
import { IpamService } from '../ipam/ipam.service';
import type { InterfacePlan } from '../kernel/plans';
import type { NetworkRecord, SubnetRecord } from '../records/network-record';
import { isClosed, isOptionOn, isParentless, mtuOf, OPTION, routesByLink } from '../records/network-options';
import type { EndpointRecord, EndpointSettings } from '../records/sandbox-record';
import { SandboxRegistry } from '../records/sandbox-registry';
import { endpointSysctls, staticAddress } from './endpoint-settings';
import { FormerAddresses } from './former-addresses';
import { SandboxReaper } from './sandbox-reaper';

export interface EndpointPlan {
  record: EndpointRecord;
  interface: InterfacePlan;
  /** What it has taken from IPAM. */
  addresses: Ip[];
}

/** Which auxiliary address of a subnet is the gateway of its containers, where it is not the bridge itself. */
const OTHER_GATEWAY = { 4: 'DefaultGatewayIPv4', 6: 'DefaultGatewayIPv6' } as const;

/** Decides what an endpoint gets: its addresses, MAC, names of its interfaces. */
@Injectable()
export class EndpointPlanner {
  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    private readonly ipam: IpamService,
    private readonly reaper: SandboxReaper,
    private readonly sandboxes: SandboxRegistry,
    private readonly former: FormerAddresses,
  ) {}

  /**
   * Takes addresses; the caller gives them back ({@link release}) when it does not build the interface.
   */
  async plan(
    containerId: string,
    network: NetworkRecord,
    settings: EndpointSettings,
    interfaceName: string,
  ): Promise<EndpointPlan> {
    if (!network.link) throw internal(`network ${network.name} has no link`);
    const addresses: Ip[] = [];
    const former = this.former.of(containerId, network.id);
    try {
      if (network.ipv4) addresses.push(await this.takeAddress(network, settings, 4, former));
      if (network.ipv6) addresses.push(await this.takeAddress(network, settings, 6, former));
    } catch (error) {
      for (const ip of addresses) this.ipam.release(network.id, ip);
      throw error;
    }
    const record = endpointRecord(network, settings, addresses, interfaceName);
    return { record, addresses, interface: this.interfacePlan(network, settings, record, network.link) };
  }

  release({ record, addresses }: EndpointPlan): void {
    for (const ip of addresses) this.ipam.release(record.networkId, ip);
  }

  private interfacePlan(
    network: NetworkRecord,
    settings: EndpointSettings,
    record: EndpointRecord,
    parent: string,
  ): InterfacePlan {
    const { interfaceName, hostLink, mac } = record;
    const kind = kindOf(network);
    return {
      kind,
      hostLink,
      alias: `${this.config.linkAlias}endpoint:${record.id.slice(0, 12)}`,
      parent,
      mode: network.options[kind === 'ipvlan' ? OPTION.ipvlanMode : OPTION.macvlanMode],
      flag: network.options[OPTION.ipvlanFlag],
      name: interfaceName,
      mac: kind === 'ipvlan' ? undefined : mac,
      addresses: [
        ...(record.address === '' ? [] : [`${record.address}/${record.prefix}`]),
        ...(record.ipv6 ? [`${record.ipv6.address}/${record.ipv6.prefix}`] : []),
        ...linkLocalAddresses(settings),
      ],
      mtu: mtuOf(network),
      staysOnHost: isParentless(network) || (network.driver === 'bridge' && network.internal),
      isolated: kind === 'veth' && !isOptionOn(network, OPTION.icc),
      sysctls: endpointSysctls(settings, interfaceName),
    };
  }

  private async takeAddress(
    network: NetworkRecord,
    settings: EndpointSettings,
    family: Family,
    former: readonly Ip[],
  ): Promise<Ip> {
    const wanted = parseIp(staticAddress(settings, family) ?? '');
    if (wanted !== undefined) {
      await this.reaper.reclaim(network.id, wanted);
      this.claim(network, wanted);
      return wanted;
    }
    const again = former.find((ip) => ip.family === family);
    if (again !== undefined && (await this.takeAgain(network, again))) return again;
    try {
      return this.ipam.allocate(network, family);
    } catch (error) {
      if (!(error instanceof EngineError) || !(await this.reaper.reclaimAll(network.id))) throw error;
      return this.ipam.allocate(network, family);
    }
  }

  /** Whether the address that the container had is still one that it can have. */
  private async takeAgain(network: NetworkRecord, ip: Ip): Promise<boolean> {
    await this.reaper.reclaim(network.id, ip);
    return this.ipam.claimFree(network.id, ip);
  }

  /** @throws as IpamService.claim, with whose the address is */
  private claim(network: NetworkRecord, ip: Ip): void {
    try {
      this.ipam.claim(network, ip);
    } catch (error) {
      if (!(error instanceof EngineError) || !isKind(error, 'Forbidden')) throw error;
      const address = formatIp(ip);
      const holder = this.sandboxes
        .endpointsOn(network.id)
        .find(({ endpoint }) => endpoint.address === address || endpoint.ipv6?.address === address);
      if (!holder) throw error;
      throw new EngineError(
        'Forbidden',
        `${error.message}: ${address} on network ${network.name} is that of container ${holder.sandbox.containerName}`,
      );
    }
  }
}

function endpointRecord(
  network: NetworkRecord,
  settings: EndpointSettings,
  addresses: readonly Ip[],
  interfaceName: string,
): EndpointRecord {
  const [first] = addresses;
  if (!first) throw internal(`network ${network.name} has no addresses`);
  const ipv4 = addressOf(network, addresses, 4);
  const kind = kindOf(network);
  return {
    id: randomBytes(32).toString('hex'),
    networkId: network.id,
    interfaceName,
    ...(kind === 'veth' && { hostLink: `v${randomBytes(6).toString('hex')}` }),
    ...(ipv4 ?? { address: '', prefix: 0, gateway: '' }),
    ipv6: addressOf(network, addresses, 6),
    ...(routesByLink(network) && !isClosed(network) && { routesByLink: true }),
    mac: (settings.MacAddress || macFor(first)).toLowerCase().replaceAll('-', ':'),
    settings,
  };
}

function addressOf(
  network: NetworkRecord,
  addresses: readonly Ip[],
  family: Family,
): EndpointRecord['ipv6'] | undefined {
  const ip = addresses.find((each) => each.family === family);
  if (!ip) return undefined;
  const subnet = subnetOf(network, ip);
  const gateway = subnet.auxiliaryAddresses[OTHER_GATEWAY[family]] ?? subnet.gateway;
  return {
    address: formatIp(ip),
    prefix: parseCidr(subnet.subnet)?.prefix ?? 0,
    gateway: isClosed(network) ? '' : gateway,
  };
}

function subnetOf(network: NetworkRecord, ip: Ip): SubnetRecord {
  const found = network.ipam.config.find((one) => {
    const cidr = parseCidr(one.subnet);
    return cidr !== undefined && contains(cidr, ip);
  });
  if (!found) throw internal(`network ${network.name} has no subnet for ${formatIp(ip)}`);
  return found;
}

function linkLocalAddresses(settings: EndpointSettings): string[] {
  return (settings.IPAMConfig?.LinkLocalIPs ?? []).flatMap((text) => {
    const ip = parseIp(text);
    return ip && isLinkLocal(ip) ? [`${text}/${ip.family === 4 ? 16 : 64}`] : [];
  });
}

const kindOf = ({ driver }: NetworkRecord): InterfacePlan['kind'] =>
  driver === 'macvlan' || driver === 'ipvlan' ? driver : 'veth';
