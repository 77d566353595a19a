import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { EngineError, internal } from '@gantry/shared/errors';
import { contains, formatIp, macFor, parseCidr, parseIp } from '../ipam/cidr';
import { IpamService } from '../ipam/ipam.service';
import type { InterfacePlan } from '../kernel/plans';
import { isOptionOn, mtuOf, type NetworkRecord, OPTION } from '../records/network-record';
import type { EndpointRecord, EndpointSettings } from '../records/sandbox-record';
import { DRIVER_OPTION, endpointSysctls, staticAddress } from './endpoint-settings';
import { SandboxReaper } from './sandbox-reaper';

export interface EndpointPlan {
  record: EndpointRecord;
  interface: InterfacePlan;
  ip: number;
}

/** Decides what an endpoint gets: its address, MAC, names of its interfaces. */
@Injectable()
export class EndpointPlanner {
  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    private readonly ipam: IpamService,
    private readonly reaper: SandboxReaper,
  ) {}

  /**
   * Takes an address; the caller gives it back (IpamService.release) when it does not build the interface.
   * @param position which interface of its container it is, counted from 0
   */
  async plan(network: NetworkRecord, settings: EndpointSettings, position: number): Promise<EndpointPlan> {
    const ip = await this.takeAddress(network, settings);
    const address = formatIp(ip);
    const subnet = network.ipam.config.find((one) => {
      const cidr = parseCidr(one.subnet);
      return cidr !== undefined && contains(cidr, ip);
    });
    if (!subnet || !network.link) throw internal(`network ${network.name} has no subnet or link`);
    const prefix = parseCidr(subnet.subnet)?.prefix ?? 32;
    const kind = network.driver === 'macvlan' || network.driver === 'ipvlan' ? network.driver : 'veth';
    const interfaceName =
      settings.DriverOpts?.[DRIVER_OPTION.interfaceName] ??
      `${network.options[OPTION.interfacePrefix] ?? 'eth'}${position}`;
    const mac = (settings.MacAddress || macFor(ip)).toLowerCase().replaceAll('-', ':');
    const hostLink = kind === 'veth' ? `v${randomBytes(6).toString('hex')}` : undefined;
    const record: EndpointRecord = {
      id: randomBytes(32).toString('hex'),
      networkId: network.id,
      interfaceName,
      hostLink,
      address,
      prefix,
      gateway: network.internal ? '' : subnet.gateway,
      mac,
      settings,
    };
    return {
      record,
      ip,
      interface: {
        kind,
        hostLink,
        alias: `${this.config.linkAlias}endpoint:${record.id.slice(0, 12)}`,
        parent: network.link,
        mode: network.options[kind === 'ipvlan' ? OPTION.ipvlanMode : OPTION.macvlanMode],
        name: interfaceName,
        mac: kind === 'ipvlan' ? undefined : mac,
        address: `${address}/${prefix}`,
        mtu: mtuOf(network),
        isolated: kind === 'veth' && !isOptionOn(network, OPTION.icc),
        sysctls: endpointSysctls(settings, interfaceName),
      },
    };
  }

  private async takeAddress(network: NetworkRecord, settings: EndpointSettings): Promise<number> {
    const wanted = parseIp(staticAddress(settings) ?? '');
    if (wanted !== undefined) {
      await this.reaper.reclaim(network.id, wanted);
      this.ipam.claim(network, wanted);
      return wanted;
    }
    try {
      return this.ipam.allocate(network);
    } catch (error) {
      if (!(error instanceof EngineError) || !(await this.reaper.reclaimAll(network.id))) throw error;
      return this.ipam.allocate(network);
    }
  }
}
