import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { type Family, parseCidr } from '../ipam/cidr';
import { NetworkThread } from '../kernel/network-thread';
import type { NetworkRecord, SubnetRecord } from '../records/network-record';
import { SandboxRegistry } from '../records/sandbox-registry';
import type { NetworkDraft } from './network-config';

/** Brings the default bridge of an earlier start to what the settings say now. */
@Injectable()
export class DefaultBridge {
  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly sandboxes: SandboxRegistry,
    private readonly thread: NetworkThread,
  ) {}

  /**
   * The record as it shall be. A subnet stays while a container has an address of it.
   * @param pick an IPv6 subnet for a network whose settings name none
   */
  async adapted(
    network: NetworkRecord,
    draft: NetworkDraft,
    pick: (network: NetworkRecord) => Promise<SubnetRecord>,
  ): Promise<NetworkRecord> {
    const ipv4 = await this.adaptedIpv4(network, ofFamily(draft.ipam.config, 4));
    const ipv6 = await this.adaptedIpv6(network, draft, pick);
    const config = [...(ipv4 ? [ipv4] : []), ...(ipv6 ? [ipv6] : [])];
    return {
      ...network,
      ipv6: ipv6 !== undefined,
      options: draft.options,
      ipam: { ...network.ipam, config },
    };
  }

  /** Where the settings name none it keeps the subnet that it has, all of it. */
  private async adaptedIpv4(
    network: NetworkRecord,
    wanted: SubnetRecord | undefined,
  ): Promise<SubnetRecord | undefined> {
    const present = ofFamily(network.ipam.config, 4);
    if (!present) return wanted;
    if (!wanted) return withoutRange(present);
    if (wanted.subnet === present.subnet && wanted.gateway === present.gateway) return wanted;
    if (this.isUsed(network, 4)) return this.kept(present, 'GANTRY_BIP');
    await this.takeAddress(network, present);
    return wanted;
  }

  private async adaptedIpv6(
    network: NetworkRecord,
    { ipv6, ipam }: NetworkDraft,
    pick: (network: NetworkRecord) => Promise<SubnetRecord>,
  ): Promise<SubnetRecord | undefined> {
    const present = ofFamily(network.ipam.config, 6);
    const wanted = ofFamily(ipam.config, 6);
    const isRight = wanted ? wanted.subnet === present?.subnet : ipv6 === (present !== undefined);
    if (isRight) return present;
    if (present && this.isUsed(network, 6)) return this.kept(present, 'GANTRY_BRIDGE_IPV6');
    if (present) await this.takeAddress(network, present);
    return ipv6 ? (wanted ?? (await pick(network))) : undefined;
  }

  private isUsed(network: NetworkRecord, family: Family): boolean {
    const endpoints = this.sandboxes.endpointsOn(network.id);
    return endpoints.some(({ endpoint }) => (family === 4 ? endpoint.address !== '' : endpoint.ipv6));
  }

  private kept(present: SubnetRecord, setting: string): SubnetRecord {
    this.logger.warn(
      { subnet: present.subnet },
      `${setting} is not what the default bridge has: it takes effect at a start without containers on that subnet`,
    );
    return present;
  }

  private async takeAddress({ link }: NetworkRecord, { subnet, gateway }: SubnetRecord): Promise<void> {
    if (link) await this.thread.stack.removeAddresses(link, [`${gateway}/${parseCidr(subnet)?.prefix}`]);
  }
}

const ofFamily = (config: readonly SubnetRecord[], family: Family): SubnetRecord | undefined =>
  config.find(({ subnet }) => subnet.includes(':') === (family === 6));

function withoutRange({ ipRange: _range, ...subnet }: SubnetRecord): SubnetRecord {
  return subnet;
}
