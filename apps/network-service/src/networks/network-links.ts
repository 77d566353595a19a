import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { forbidden, invalidArgument } from '@gantry/shared/errors';
import { parseCidr } from '../ipam/cidr';
import { NetworkThread } from '../kernel/network-thread';
import type { BridgePlan, ParentPlan } from '../kernel/plans';
import type { NetworkRecord } from '../records/network-record';
import { gatewayMode, isOptionSet, isParentless, mtuOf, OPTION } from '../records/network-options';
import { NetworkRegistry } from '../records/network-registry';

/** Names that start so are of networks whose parent leads nowhere. */
const NOWHERE = { macvlan: 'dm-', ipvlan: 'di-' } as const;
const VLAN_NAME = /^(.+)\.(\d+)$/;

/** The link of a network on the host: its bridge, or the parent of its containers' interfaces. */
@Injectable()
export class NetworkLinks {
  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    private readonly networks: NetworkRegistry,
    private readonly thread: NetworkThread,
  ) {}

  /** What the link of a new network is called; undefined where it has none. */
  nameFor(network: NetworkRecord): string | undefined {
    if (network.configOnly) return undefined;
    const { driver, id } = network;
    if (driver === 'bridge') return network.link ?? `br-${id.slice(0, 12)}`;
    if (driver === 'macvlan' || driver === 'ipvlan') {
      return network.link ?? `${NOWHERE[driver]}${id.slice(0, 12)}`;
    }
    return undefined;
  }

  /** @throws EngineErrors in dockerd's words when another network, or the host, has what this one wants */
  async check(network: NetworkRecord): Promise<void> {
    const { driver, link } = network;
    if (!link) return;
    const others = this.networks.all().filter((other) => other.link === link);
    if (driver === 'bridge') {
      if (others[0]) throw sameBridge(network, others[0]);
      await this.refuseOthers(link);
    } else {
      for (const other of others) checkSharedParent(network, other);
      await this.checkParent(network);
    }
  }

  /** Makes the link, or completes the one that is there: idempotent. */
  async ensure(network: NetworkRecord): Promise<void> {
    const { driver, link } = network;
    if (!link || network.configOnly) return;
    if (driver === 'bridge') {
      if (network.ipv6) await this.thread.stack.prepareIpv6();
      await this.thread.stack.ensureBridge(this.bridgePlan(network, link));
    } else if (driver === 'macvlan' || driver === 'ipvlan') {
      const plan = this.parentPlan(network, link);
      if (plan) await this.thread.stack.ensureParent(plan);
    }
  }

  /** Takes away what {@link ensure} made; a link that was there before, and a shared one, stays. */
  async remove(network: NetworkRecord): Promise<void> {
    const { link } = network;
    if (!link || this.networks.all().some((other) => other.link === link)) return;
    const own = await this.thread.stack.ownLinks(this.config.linkAlias);
    if (own.some(({ name }) => name === link)) await this.thread.stack.removeLink(link);
    else if (network.driver === 'bridge') {
      await this.thread.stack.removeAddresses(link, this.bridgePlan(network, link).addresses);
    }
  }

  private bridgePlan(network: NetworkRecord, link: string): BridgePlan {
    const addresses = network.ipam.config.flatMap(({ subnet, gateway }) => {
      const cidr = parseCidr(subnet);
      if (!cidr || gateway === '' || gatewayMode(network, cidr.family) === 'isolated') return [];
      if (cidr.family === 4 && isOptionSet(network, OPTION.inhibitIpv4)) return [];
      return [`${gateway}/${cidr.prefix}`];
    });
    return { name: link, alias: this.aliasOf(network), addresses, ipv6: network.ipv6, mtu: mtuOf(network) };
  }

  private parentPlan(network: NetworkRecord, link: string): ParentPlan | undefined {
    const plan = { name: link, alias: this.aliasOf(network), mtu: mtuOf(network) };
    if (isParentless(network)) return plan;
    const [, parent = '', id = ''] = VLAN_NAME.exec(link) ?? [];
    return parent === '' ? undefined : { ...plan, vlan: { parent, id: Number(id) } };
  }

  private aliasOf(network: NetworkRecord): string {
    return `${this.config.linkAlias}network:${network.id.slice(0, 12)}`;
  }

  /** A bridge that an operator has made may be used, and stays; another instance's, and anything else, may not. */
  private async refuseOthers(name: string): Promise<void> {
    const link = await this.thread.stack.describeLink(name);
    if (!link) return;
    if (link.kind !== 'bridge') {
      throw forbidden(`a network interface named ${name} exists already and is not a bridge`);
    }
    if (link.alias?.startsWith('gantry:') && !link.alias.startsWith(this.config.linkAlias)) {
      throw forbidden(`the bridge ${name} belongs to another instance of Gantry (${link.alias})`);
    }
  }

  private async checkParent(network: NetworkRecord): Promise<void> {
    const { link = '' } = network;
    if (isParentless(network) || (await this.thread.stack.describeLink(link))) return;
    const [, master = '', id = ''] = VLAN_NAME.exec(link) ?? [];
    if (master === '') {
      throw invalidArgument(`invalid subinterface vlan name ${link}, example formatting is eth0.10`);
    }
    if (Number(id) < 1 || Number(id) > 4094) {
      throw invalidArgument(`vlan id must be between 1-4094, received: ${id}`);
    }
    if (!(await this.thread.stack.describeLink(master))) {
      throw invalidArgument(`failed to find master interface ${master} on the Docker host: Link not found`);
    }
  }
}

const sameBridge = (network: NetworkRecord, other: NetworkRecord): Error =>
  forbidden(
    `cannot create network ${network.id} (${network.link}): conflicts with network ${other.id} (${other.link}): ` +
      'networks have same bridge name',
  );

function checkSharedParent(network: NetworkRecord, other: NetworkRecord): void {
  const { link } = network;
  if (network.driver === 'ipvlan' || other.driver === 'ipvlan') {
    throw forbidden(
      `network ${NOWHERE.ipvlan}${other.id.slice(0, 12)} is already using parent interface ${link}`,
    );
  }
  if (network.options[OPTION.macvlanMode] === 'passthru') {
    throw forbidden(
      `cannot use mode passthru, macvlan network ${other.id} is already using parent interface ${link}`,
    );
  }
  if (other.options[OPTION.macvlanMode] === 'passthru') {
    throw forbidden(`macvlan network ${other.id} is already using parent interface ${link} in mode passthru`);
  }
}
