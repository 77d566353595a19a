import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { conflict, EngineError, forbidden, internal, messageOf, notFound } from '@gantry/shared/errors';
import { engineEvent, EventPublisher, nowNanos } from '@gantry/shared/events';
import type { FilterTerms } from '@gantry/shared/filters';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { FirewallService } from '../firewall/firewall.service';
import { ForeignForward } from '../firewall/foreign-forward';
import { bridgeSettings } from '../config';
import { type Cidr, type Family, parseCidr } from '../ipam/cidr';
import { IpamService } from '../ipam/ipam.service';
import { NetworkThread } from '../kernel/network-thread';
import {
  isDefaultBridge,
  isPredefined,
  type NetworkRecord,
  type SubnetRecord,
} from '../records/network-record';
import { NetworkRegistry } from '../records/network-registry';
import { SandboxRegistry } from '../records/sandbox-registry';
import { DefaultBridge } from './default-bridge';
import { isOfAnyAddress, pickedSubnet } from './ipam-config';
import { type NetworkCreateConfig, type NetworkDraft, parseNetworkConfig } from './network-config';
import { networkDocument, networkInspectDocument } from './network-document';
import { filterNetworks, prunable } from './network-filters';
import { NetworkLinks } from './network-links';
import { predefinedNetworks } from './predefined-networks';

/** Networks: what they are and their bridges. Who is on them is the business of `sandboxes/`. */
@Injectable()
export class NetworksService {
  /** Creating and removing change the same subnets and names: one after the other. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly networks: NetworkRegistry,
    private readonly sandboxes: SandboxRegistry,
    private readonly ipam: IpamService,
    private readonly thread: NetworkThread,
    private readonly links: NetworkLinks,
    private readonly firewall: FirewallService,
    private readonly foreign: ForeignForward,
    private readonly bridge: DefaultBridge,
    private readonly events: EventPublisher,
  ) {}

  /** Answers the new network's id. */
  create(config: NetworkCreateConfig): Promise<string> {
    return this.inTurn(async () => {
      const draft = parseNetworkConfig(config, (name) => this.templateNamed(name));
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

  /** API: NetworkInspect, as JSON. All networks are of scope `local`; an empty scope is any. */
  inspect(reference: string, scope: string): string {
    const network = this.networks.resolve(reference);
    if (scope !== '' && scope !== 'local') throw notFound(`network ${reference} not found`);
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
      this.checkUnused(network);
      await this.demolish(network);
      if (!network.configOnly) this.publish('destroy', network);
    });
  }

  private checkUnused(network: NetworkRecord): void {
    const prefix = 'error while removing network:';
    if (network.configOnly && this.networks.all().some(({ configFrom }) => configFrom === network.name)) {
      throw forbidden(`${prefix} configuration network "${network.name}" is in use`);
    }
    const users = this.sandboxes
      .endpointsOn(network.id)
      .map(({ sandbox, endpoint }) => `name:"${sandbox.containerName}" id:"${endpoint.id.slice(0, 12)}"`);
    if (users.length === 0 && !this.networks.isJoined(network.id)) return;
    const named = users.length > 0 ? ` (${users.join(', ')})` : '';
    throw forbidden(`${prefix} network ${network.name} id ${network.id} has active endpoints${named}`);
  }

  private templateNamed(name: string): NetworkRecord | undefined {
    const found = this.networks.named(name);
    return found?.configOnly ? found : undefined;
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
    this.events.publish(engineEvent('network', 'prune', '', { reclaimed: '0' }));
    return removed;
  }

  /** At start: links and subnets of what is on record; the predefined networks when this is the first start. */
  async restore(): Promise<void> {
    const known = this.networks.all().filter(({ configOnly }) => !configOnly);
    for (const network of known.filter((each) => !isDefaultBridge(each))) {
      await this.restoreOne(network);
    }
    const drafts = predefinedNetworks(this.config.bridgeName, bridgeSettings());
    for (const draft of drafts) {
      const network = this.networks.named(draft.name);
      if (!network) await this.build(await this.complete(draft, newId()), false);
      else if (isDefaultBridge(network)) await this.restoreBridge(network, draft);
    }
  }

  private async restoreOne(network: NetworkRecord): Promise<void> {
    this.ipam.addNetwork(network);
    try {
      await this.links.ensure(network);
    } catch (error) {
      // The parent of a macvlan network may be away; that is no reason not to serve all others.
      this.logger.error({ err: messageOf(error), network: network.name }, 'the network has no link');
    }
  }

  /** After all others: a subnet that is new to it must not be one of theirs. */
  private async restoreBridge(network: NetworkRecord, draft: NetworkDraft): Promise<void> {
    for (const { subnet } of draft.ipam.config) this.ipam.checkFree(cidr(subnet));
    const adapted = await this.bridge.adapted(network, draft, async () => {
      const [picked] = await this.pickSubnets(network, [{ family: 6 }]);
      if (!picked) throw internal('no subnet was picked for the default bridge');
      return picked;
    });
    if (!isDeepStrictEqual(adapted, network)) this.networks.put(adapted);
    await this.restoreOne(adapted);
  }

  private async complete(draft: NetworkDraft, id: string): Promise<NetworkRecord> {
    const record: NetworkRecord = { ...draft, id, created: rfc3339(nowNanos()) };
    if (draft.configOnly || draft.driver === 'host' || draft.driver === 'null') return record;
    record.link = this.links.nameFor(record);
    await this.links.check(record);
    const families = [...(draft.ipv4 ? [4 as const] : []), ...(draft.ipv6 ? [6 as const] : [])];
    const given = draft.ipam.config.map((config) => ({ config, subnet: cidr(config.subnet) }));
    const missing = families.filter((family) => !given.some(({ subnet }) => subnet.family === family));
    const sized = given.filter(({ subnet }) => isOfAnyAddress(subnet)).map(({ subnet }) => subnet);
    const named = given.filter(({ subnet }) => !isOfAnyAddress(subnet));
    for (const { subnet } of named) this.ipam.checkFree(subnet);
    const wanted = [...sized, ...missing.map((family) => ({ family }))];
    const picked = wanted.length > 0 ? await this.pickSubnets(record, wanted) : [];
    const config = [...named.map((one) => one.config), ...picked];
    const completed = { ...record, ipam: { ...draft.ipam, config } };
    this.ipam.checkReservations(completed);
    return completed;
  }

  private async pickSubnets(
    network: NetworkRecord,
    wanted: readonly { family: Family; prefix?: number }[],
  ): Promise<SubnetRecord[]> {
    const use = isDefaultBridge(network) ? 'defaultBridge' : 'networks';
    const hostSubnets = (await this.thread.stack.hostSubnets()).map(cidr);
    return wanted.map(({ family, prefix }) =>
      pickedSubnet(this.ipam.pickSubnet(family, use, hostSubnets, prefix), network),
    );
  }

  private async build(record: NetworkRecord, withFirewall = true): Promise<void> {
    if (record.configOnly) return this.networks.put(record);
    this.ipam.addNetwork(record);
    try {
      await this.links.ensure(record);
      if (withFirewall && record.driver === 'bridge') {
        await this.firewall.addNetwork(record);
        await this.foreign.letPass(record);
      }
      this.networks.put(record);
    } catch (error) {
      this.ipam.removeNetwork(record.id);
      await this.links.remove(record).catch(() => undefined);
      throw error;
    }
  }

  /** The record goes first: whatever is left after a crash is removed at the next start. */
  private async demolish(network: NetworkRecord): Promise<void> {
    this.networks.remove(network.id);
    if (network.configOnly) return;
    if (network.driver === 'bridge') await this.firewall.removeNetwork(network);
    await this.links.remove(network);
    if (network.driver === 'bridge') await this.foreign.forget(network);
    this.ipam.removeNetwork(network.id);
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
