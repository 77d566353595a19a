import { randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { conflict, EngineError, forbidden } from '@gantry/shared/errors';
import { engineEvent, EventPublisher, nowNanos } from '@gantry/shared/events';
import type { FilterTerms } from '@gantry/shared/filters';
import { DockerUserChain } from '../firewall/docker-user';
import { FirewallService } from '../firewall/firewall.service';
import { type Cidr, parseCidr } from '../ipam/cidr';
import { IpamService } from '../ipam/ipam.service';
import type { BridgePlan } from '../kernel/plans';
import { NetworkThread } from '../kernel/network-thread';
import { isPredefined, mtuOf, type NetworkRecord, OPTION } from '../records/network-record';
import { NetworkRegistry } from '../records/network-registry';
import { SandboxRegistry } from '../records/sandbox-registry';
import {
  type NetworkCreateConfig,
  type NetworkDraft,
  parseNetworkConfig,
  withGateway,
} from './network-config';
import { networkDocument, networkInspectDocument } from './network-document';
import { filterNetworks, prunable } from './network-filters';

/** Networks: what they are and their bridges. Who is on them is the business of `sandboxes/`. */
@Injectable()
export class NetworksService {
  /** Creating and removing change the same subnets and names: one after the other. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    private readonly networks: NetworkRegistry,
    private readonly sandboxes: SandboxRegistry,
    private readonly ipam: IpamService,
    private readonly thread: NetworkThread,
    private readonly firewall: FirewallService,
    private readonly dockerUser: DockerUserChain,
    private readonly events: EventPublisher,
  ) {}

  /** Answers the new network's id. */
  create(config: NetworkCreateConfig): Promise<string> {
    return this.inTurn(async () => {
      const draft = parseNetworkConfig(config);
      if (this.networks.named(draft.name)) {
        throw conflict(`network with name ${draft.name} already exists`);
      }
      const record = await this.complete(draft, newId());
      await this.build(record);
      this.publish('create', record);
      return record.id;
    });
  }

  list(terms: FilterTerms): Record<string, unknown>[] {
    const isUsed = (network: NetworkRecord) => this.sandboxes.endpointsOn(network.id).length > 0;
    return filterNetworks(this.networks.all(), terms, isUsed).map(networkDocument);
  }

  inspect(reference: string): Record<string, unknown> {
    const network = this.networks.resolve(reference);
    return networkInspectDocument(
      network,
      this.sandboxes.endpointsOn(network.id),
      this.ipam.spacesOf(network.id),
    );
  }

  remove(reference: string): Promise<void> {
    return this.inTurn(async () => {
      const network = this.networks.resolve(reference);
      if (isPredefined(network.name)) {
        throw forbidden(`${network.name} is a pre-defined network and cannot be removed`);
      }
      const used = this.sandboxes.endpointsOn(network.id);
      if (used.length > 0) {
        const users = used.map(
          ({ sandbox, endpoint }) => `name:"${sandbox.containerName}" id:"${endpoint.id.slice(0, 12)}"`,
        );
        throw forbidden(
          `error while removing network: network ${network.name} id ${network.id} has active endpoints (${users.join(', ')})`,
        );
      }
      await this.demolish(network);
      this.publish('destroy', network);
    });
  }

  /** Answers the names of what was removed. */
  async prune(terms: FilterTerms): Promise<string[]> {
    const removed: string[] = [];
    for (const network of prunable(this.networks.all(), terms, Date.now())) {
      if (this.sandboxes.endpointsOn(network.id).length > 0) continue;
      try {
        await this.remove(network.id);
        removed.push(network.name);
      } catch (error) {
        // Taken into use, or removed, since it was looked at.
        if (!(error instanceof EngineError)) throw error;
      }
    }
    return removed;
  }

  /** At start: bridges and subnets of what is on record; the predefined networks when this is the first start. */
  async restore(): Promise<void> {
    for (const network of this.networks.all()) {
      this.ipam.addNetwork(network);
      if (network.driver === 'bridge') await this.thread.stack.ensureBridge(this.bridgePlan(network));
    }
    await this.makePredefined();
  }

  private async makePredefined(): Promise<void> {
    const base = { internal: false, attachable: false, labels: {}, ownSubnet: false };
    const ipam = { driver: 'default', options: {}, config: [] };
    const predefined: NetworkDraft[] = [
      {
        ...base,
        name: 'bridge',
        driver: 'bridge',
        ipam,
        link: this.config.bridgeName,
        options: {
          [OPTION.defaultBridge]: 'true',
          [OPTION.icc]: 'true',
          [OPTION.masquerade]: 'true',
          [OPTION.hostBinding]: '0.0.0.0',
          [OPTION.bridgeName]: this.config.bridgeName,
          [OPTION.mtu]: '1500',
        },
      },
      { ...base, name: 'host', driver: 'host', ipam, options: {} },
      { ...base, name: 'none', driver: 'null', ipam, options: {} },
    ];
    for (const draft of predefined) {
      if (this.networks.named(draft.name)) continue;
      await this.build(await this.complete(draft, newId()), false);
    }
  }

  private async complete(draft: NetworkDraft, id: string): Promise<NetworkRecord> {
    const record: NetworkRecord = { ...draft, id, created: rfc3339(nowNanos()) };
    if (draft.driver === 'host' || draft.driver === 'null') return record;
    if (draft.driver === 'bridge') record.link ??= `br-${id.slice(0, 12)}`;
    this.checkLink(record);
    if (draft.ownSubnet) {
      for (const { subnet } of draft.ipam.config) this.ipam.checkFree(cidr(subnet));
      return record;
    }
    const hostSubnets = (await this.thread.stack.hostSubnets()).map(cidr);
    const config = [withGateway(this.ipam.pickSubnet(hostSubnets))];
    return { ...record, ipam: { ...draft.ipam, config } };
  }

  private checkLink(record: NetworkRecord): void {
    if (record.driver !== 'bridge') return;
    const other = this.networks.all().find((network) => network.link === record.link);
    if (!other) return;
    throw forbidden(`conflicts with network ${other.id} (${other.name}): networks have same bridge name`);
  }

  private async build(record: NetworkRecord, withFirewall = true): Promise<void> {
    this.ipam.addNetwork(record);
    try {
      if (record.driver === 'bridge') {
        await this.refuseForeignLink(record);
        await this.thread.stack.ensureBridge(this.bridgePlan(record));
        if (withFirewall) {
          await this.firewall.addNetwork(record);
          await this.dockerUser.letPass([record]);
        }
      }
      this.networks.put(record);
    } catch (error) {
      this.ipam.removeNetwork(record.id);
      throw error;
    }
  }

  /** A bridge that we did not make is not ours to use, nor to remove later. */
  private async refuseForeignLink(record: NetworkRecord): Promise<void> {
    const link = record.link ?? '';
    if ((await this.thread.stack.goneLinks([link])).length > 0) return;
    const own = await this.thread.stack.ownLinks(this.config.linkAlias);
    if (!own.some((known) => known.name === link)) {
      throw forbidden(`a network interface named ${link} exists already and is not Gantry's`);
    }
  }

  /** The record goes first: whatever is left after a crash is removed at the next start. */
  private async demolish(network: NetworkRecord): Promise<void> {
    this.networks.remove(network.id);
    if (network.driver === 'bridge' && network.link) {
      await this.firewall.removeNetwork(network);
      await this.thread.stack.removeLink(network.link);
      await this.dockerUser.forget(network);
    }
    this.ipam.removeNetwork(network.id);
  }

  private bridgePlan(network: NetworkRecord): BridgePlan {
    const subnet = network.ipam.config[0];
    return {
      name: network.link ?? '',
      alias: `${this.config.linkAlias}network:${network.id.slice(0, 12)}`,
      address: subnet && `${subnet.gateway}/${cidr(subnet.subnet).prefix}`,
      mtu: mtuOf(network),
    };
  }

  private publish(action: string, { id, name, driver }: NetworkRecord): void {
    this.events.publish(engineEvent('network', action, id, { name, type: driver }));
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.turn.then(action, action);
    this.turn = result.catch(() => undefined);
    return result;
  }
}

const newId = (): string => randomBytes(32).toString('hex');

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed) throw new RangeError(`not a subnet: ${text}`);
  return parsed;
}

function rfc3339(nanos: bigint): string {
  const seconds = new Date(Number(nanos / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${(nanos % 1_000_000_000n).toString().padStart(9, '0')}Z`;
}
