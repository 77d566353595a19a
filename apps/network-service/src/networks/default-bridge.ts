import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { parseCidr } from '../ipam/cidr';
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
   * The record as it shall be; the same one where nothing is to be done. A subnet stays while a container has an address
   * of it.
   * @param pick a subnet for a network whose settings name none
   */
  async adapted(
    network: NetworkRecord,
    { ipv6, ipam }: NetworkDraft,
    pick: (network: NetworkRecord) => Promise<SubnetRecord>,
  ): Promise<NetworkRecord> {
    const present = network.ipam.config.find(isIpv6);
    const wanted = ipam.config.find(isIpv6);
    const isRight = wanted ? wanted.subnet === present?.subnet : ipv6 === (present !== undefined);
    if (isRight && network.ipv6 === ipv6) return network;
    if (present && this.sandboxes.endpointsOn(network.id).some(({ endpoint }) => endpoint.ipv6)) {
      this.logger.warn(
        { subnet: present.subnet },
        'GANTRY_BRIDGE_IPV6 is not what the default bridge has: it takes effect at a start without containers on that subnet',
      );
      return network;
    }
    if (present && network.link) {
      const prefix = parseCidr(present.subnet)?.prefix;
      await this.thread.stack.removeAddresses(network.link, [`${present.gateway}/${prefix}`]);
    }
    const others = network.ipam.config.filter((config) => !isIpv6(config));
    const added = ipv6 ? [wanted ?? (await pick(network))] : [];
    return { ...network, ipv6, ipam: { ...network.ipam, config: [...others, ...added] } };
  }
}

const isIpv6 = ({ subnet }: SubnetRecord): boolean => subnet.includes(':');
