import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { forbidden, internal, notFound } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { LINUX, type Linux } from '@gantry/shared/linux';
import type { AttachSandboxRequest, EndpointRequest } from '@gantry/proto/network';
import { networkPaths } from '../config';
import { ResolverService } from '../dns/resolver.service';
import { parseIp } from '../ipam/cidr';
import { IpamService } from '../ipam/ipam.service';
import { NetworkThread } from '../kernel/network-thread';
import { isDefaultBridge, type NetworkRecord } from '../records/network-record';
import { NetworkRegistry } from '../records/network-registry';
import type { EndpointRecord, EndpointSettings, SandboxRecord } from '../records/sandbox-record';
import { SandboxRegistry } from '../records/sandbox-registry';
import { adoptNamespace } from './adopt-namespace';
import { type EndpointPlan, EndpointPlanner } from './endpoint-planner';
import { checkConnectable, checkEndpointSettings, isPlain, parseEndpointSettings } from './endpoint-settings';
import { defaultRoutes, type GatewayEndpoints, gatewayEndpoints } from './gateway-endpoints';
import { FormerAddresses } from './former-addresses';
import { newSandbox } from './new-sandbox';
import { SandboxPool, type PooledSandbox } from './sandbox-pool';
import { SandboxPorts } from './sandbox-ports';
import { type Remains, SandboxReaper } from './sandbox-reaper';

interface ResolvedEndpoint {
  network: NetworkRecord;
  settings: EndpointSettings;
}

/** Namespaces of containers, their endpoints and ports. */
@Injectable()
export class SandboxesService {
  private readonly directory: string;
  /** Calls for one container come one after the other. */
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'mounts'>,
    private readonly networks: NetworkRegistry,
    private readonly sandboxes: SandboxRegistry,
    private readonly ipam: IpamService,
    private readonly thread: NetworkThread,
    private readonly planner: EndpointPlanner,
    private readonly former: FormerAddresses,
    private readonly pool: SandboxPool,
    private readonly reaper: SandboxReaper,
    private readonly ports: SandboxPorts,
    private readonly resolver: ResolverService,
    private readonly events: EventPublisher,
  ) {
    this.directory = networkPaths(config).sandboxes;
  }

  pathOf(containerId: string): string {
    return join(this.directory, containerId);
  }

  all(): SandboxRecord[] {
    return this.sandboxes.all();
  }

  /** The sandbox of a container that starts; the one it has when it was attached before. */
  attach(request: AttachSandboxRequest): Promise<SandboxRecord> {
    return this.inTurn(request.containerId, async () => {
      const known = this.sandboxes.get(request.containerId);
      if (known) return known;
      const endpoints = this.resolveAll(request);
      const sandbox = newSandbox(request);
      await this.networks.whileJoining(
        endpoints.map(({ network }) => network.id),
        () => this.make(sandbox, endpoints),
      );
      for (const endpoint of sandbox.endpoints) this.publishEvent('connect', sandbox, endpoint.networkId);
      return sandbox;
    });
  }

  /** What a container in the host's network is told. Nothing of it is made or kept. */
  onHost(request: AttachSandboxRequest): SandboxRecord {
    const host = nullEndpoint(this.networks.resolve('host'), {});
    return { ...newSandbox({ ...request, hostname: '' }), endpoints: [host], exposedPorts: [] };
  }

  /** Nothing leads to the container any more when this resolves; its namespace goes in the background. */
  release(containerId: string): Promise<void> {
    return this.inTurn(containerId, async () => {
      const sandbox = this.sandboxes.get(containerId);
      if (!sandbox) return;
      this.sandboxes.remove(containerId);
      this.resolver.close(containerId);
      for (const endpoint of sandbox.endpoints) this.former.remember(containerId, endpoint);
      for (const endpoint of sandbox.endpoints) this.publishEvent('disconnect', sandbox, endpoint.networkId);
      this.reaper.add(this.remainsOf(sandbox));
      await this.ports.unpublish(sandbox.ports);
    });
  }

  connect(containerId: string, request: EndpointRequest): Promise<SandboxRecord> {
    return this.inTurn(containerId, async () => {
      const sandbox = this.required(containerId);
      const { network, settings } = this.resolve(request);
      this.checkJoinable(sandbox, network);
      const next = await this.networks.whileJoining([network.id], () =>
        this.join(sandbox, network, settings),
      );
      this.publishEvent('connect', next, network.id);
      return next;
    });
  }

  disconnect(containerId: string, reference: string): Promise<SandboxRecord> {
    return this.inTurn(containerId, async () => {
      const sandbox = this.required(containerId);
      const network = this.networks.resolve(reference);
      const endpoint = sandbox.endpoints.find((one) => one.networkId === network.id);
      if (!endpoint) {
        throw internal(`container ${containerId} is not connected to network ${network.name}`);
      }
      const next = {
        ...sandbox,
        endpoints: sandbox.endpoints.filter((one) => one !== endpoint),
      };
      if (endpoint.interfaceName !== '') {
        await this.thread.stack.removeInterface(this.pathOf(containerId), endpoint.interfaceName);
      }
      await this.moveGateway(sandbox, next);
      this.sandboxes.settle(next);
      this.former.remember(containerId, endpoint);
      for (const { ip } of addressesOf(endpoint)) this.ipam.release(network.id, ip);
      this.publishEvent('disconnect', next, network.id);
      return next;
    });
  }

  /**
   * Takes an endpoint away whose container nobody knows any more.
   * @param container its id, the beginning of it, or its name, as the sandbox has kept it
   */
  async disconnectLost(container: string, reference: string): Promise<SandboxRecord> {
    const network = this.networks.resolve(reference);
    const found = this.sandboxes
      .endpointsOn(network.id)
      .map(({ sandbox }) => sandbox)
      .find(
        ({ containerId, containerName }) => containerName === container || containerId.startsWith(container),
      );
    if (!found) throw notFound(`endpoint ${container} not found`);
    const left = await this.disconnect(found.containerId, network.id);
    if (left.endpoints.length === 0) await this.release(left.containerId);
    return left;
  }

  /** The network of an endpoint that is not attached now. @throws what attaching it would throw for its settings */
  check(request: EndpointRequest): NetworkRecord {
    return this.resolve(request).network;
  }

  rename(containerId: string, name: string): Promise<void> {
    return this.inTurn(containerId, async () => {
      const sandbox = this.sandboxes.get(containerId);
      if (sandbox) this.sandboxes.settle({ ...sandbox, containerName: name });
    });
  }

  /** What a sandbox leaves behind for the reaper. */
  remainsOf(sandbox: SandboxRecord): Remains {
    return {
      paths: [this.pathOf(sandbox.containerId)],
      addresses: sandbox.endpoints.flatMap(addressesOf),
    };
  }

  private async make(sandbox: SandboxRecord, endpoints: readonly ResolvedEndpoint[]): Promise<void> {
    await this.reaper.clear(this.pathOf(sandbox.containerId));
    const pooled = this.fromPool(sandbox.containerId, endpoints);
    if (pooled) await this.adopt(sandbox, pooled, endpoints[0]?.settings ?? {});
    else await this.build(sandbox, endpoints);
  }

  private checkJoinable(sandbox: SandboxRecord, network: NetworkRecord): void {
    checkConnectable(network);
    for (const endpoint of sandbox.endpoints) {
      const attached = this.networks.get(endpoint.networkId);
      if (attached) checkConnectable(attached);
      if (endpoint.networkId === network.id) {
        throw forbidden(
          `endpoint with name ${sandbox.containerName} already exists in network ${network.name}`,
        );
      }
    }
  }

  /** Adds an endpoint, or leaves everything as it was. */
  private async join(
    sandbox: SandboxRecord,
    network: NetworkRecord,
    settings: EndpointSettings,
  ): Promise<SandboxRecord> {
    const plan = await this.planner.plan(
      sandbox.containerId,
      network,
      settings,
      freePosition(sandbox.endpoints),
    );
    const path = this.pathOf(sandbox.containerId);
    const next = { ...sandbox, endpoints: [...sandbox.endpoints, plan.record] };
    try {
      await this.thread.stack.addInterface(path, plan.interface);
      await this.moveGateway(sandbox, next);
      await this.openResolver(next);
      this.sandboxes.put(next);
    } catch (error) {
      await this.thread.stack.removeInterface(path, plan.record.interfaceName);
      await this.moveGateway(next, sandbox).catch(() => undefined);
      this.planner.release(plan);
      throw error;
    }
    return next;
  }

  private fromPool(containerId: string, endpoints: readonly ResolvedEndpoint[]): PooledSandbox | undefined {
    const [only, ...others] = endpoints;
    if (!only || others.length > 0 || !isDefaultBridge(only.network) || !isPlain(only.settings))
      return undefined;
    // What is ready has an address already.
    if (this.former.of(containerId, only.network.id).length > 0) return undefined;
    return this.pool.take();
  }

  private async adopt(
    sandbox: SandboxRecord,
    pooled: PooledSandbox,
    settings: EndpointSettings,
  ): Promise<void> {
    const endpoint = { ...pooled.record, settings };
    sandbox.endpoints = [endpoint];
    try {
      sandbox.ports = this.ports.allocate(sandbox, this.gatewaysOf(sandbox));
      adoptNamespace(this.linux, pooled.path, this.pathOf(sandbox.containerId));
      await this.ports.publish(sandbox.ports);
      this.sandboxes.put(sandbox);
    } catch (error) {
      await this.ports.unpublish(sandbox.ports).catch(() => this.ports.abandon(sandbox.ports));
      const remains = this.remainsOf(sandbox);
      this.reaper.add({ ...remains, paths: [...remains.paths, pooled.path] });
      throw error;
    }
    this.reaper.add({ paths: [pooled.path], addresses: [] });
  }

  private async build(sandbox: SandboxRecord, endpoints: readonly ResolvedEndpoint[]): Promise<void> {
    const plans: EndpointPlan[] = [];
    const path = this.pathOf(sandbox.containerId);
    let built = false;
    try {
      for (const { network, settings } of endpoints) {
        if (network.driver === 'null') sandbox.endpoints.push(nullEndpoint(network, settings));
        else plans.push(await this.planner.plan(sandbox.containerId, network, settings, plans.length));
      }
      sandbox.endpoints.push(...plans.map((plan) => plan.record));
      const gateways = this.gatewaysOf(sandbox);
      sandbox.ports = this.ports.allocate(sandbox, gateways);
      await this.thread.stack.buildSandbox({
        path,
        interfaces: plans.map((plan) => plan.interface),
        defaultRoutes: defaultRoutes(gateways),
      });
      built = true;
      await Promise.all([this.ports.publish(sandbox.ports), this.openResolver(sandbox)]);
      this.sandboxes.put(sandbox);
    } catch (error) {
      await this.ports.unpublish(sandbox.ports).catch(() => this.ports.abandon(sandbox.ports));
      this.resolver.close(sandbox.containerId);
      if (built) this.reaper.add(this.remainsOf(sandbox));
      else for (const plan of plans) this.planner.release(plan);
      throw error;
    }
  }

  /** Puts the default route and the published ports where they belong after a change of endpoints. */
  private async moveGateway(before: SandboxRecord, after: SandboxRecord): Promise<void> {
    const was = this.gatewaysOf(before);
    const are = this.gatewaysOf(after);
    if (was.ipv4?.id === are.ipv4?.id && was.ipv6?.id === are.ipv6?.id) return;
    await this.thread.stack.setDefaultRoutes(this.pathOf(after.containerId), defaultRoutes(are));
    await this.ports.unpublish(before.ports);
    after.ports = [];
    after.ports = this.ports.allocate(after, are);
    await this.ports.publish(after.ports);
  }

  /** Containers on a network of the user's have a resolver. */
  private async openResolver(sandbox: SandboxRecord): Promise<void> {
    const wanted = sandbox.endpoints.some((endpoint) => {
      const network = this.networks.get(endpoint.networkId);
      return network !== undefined && !isDefaultBridge(network) && network.driver !== 'null';
    });
    if (!wanted || this.resolver.isOpen(sandbox.containerId)) return;
    sandbox.dnsPort = await this.resolver.open(
      sandbox.containerId,
      this.pathOf(sandbox.containerId),
      sandbox.dnsPort,
    );
  }

  private gatewaysOf(sandbox: SandboxRecord): GatewayEndpoints {
    return gatewayEndpoints(sandbox.endpoints, (id) => this.networks.get(id));
  }

  private resolveAll(request: AttachSandboxRequest): ResolvedEndpoint[] {
    if (request.mode === 'none') return [{ network: this.networks.resolve('none'), settings: {} }];
    const resolved = request.endpoints.map((endpoint) => this.resolve(endpoint));
    for (const { network } of resolved) if (network.driver === 'host') checkConnectable(network);
    if (resolved.length > 1) for (const { network } of resolved) checkConnectable(network);
    return resolved;
  }

  private resolve(request: EndpointRequest): ResolvedEndpoint {
    const isDefault = request.network === '' || request.network === 'default';
    const network = isDefault ? this.networks.defaultBridge : this.networks.resolve(request.network);
    if (network.configOnly) throw forbidden('cannot create endpoint on configuration-only network');
    const settings = parseEndpointSettings(request.settings);
    checkEndpointSettings(network, settings);
    return { network, settings };
  }

  private required(containerId: string): SandboxRecord {
    const sandbox = this.sandboxes.get(containerId);
    if (!sandbox) throw notFound(`container ${containerId} has no network sandbox`);
    return sandbox;
  }

  private publishEvent(action: string, { containerId }: SandboxRecord, networkId: string): void {
    const network = this.networks.get(networkId);
    if (!network) return;
    const attributes = { container: containerId, name: network.name, type: network.driver };
    this.events.publish(engineEvent('network', action, networkId, attributes));
  }

  private inTurn<T>(containerId: string, action: () => Promise<T>): Promise<T> {
    const before = this.turns.get(containerId);
    const result = before ? before.then(action, action) : action();
    const settled = result
      .catch(() => undefined)
      .finally(() => {
        if (this.turns.get(containerId) === settled) this.turns.delete(containerId);
      });
    this.turns.set(containerId, settled);
    return result;
  }
}

function addressesOf({ networkId, address, ipv6, hostLink }: EndpointRecord): Remains['addresses'] {
  return [address, ipv6?.address ?? ''].flatMap((text) => {
    const ip = parseIp(text);
    return ip === undefined ? [] : [{ networkId, ip, hostLink }];
  });
}

/** The endpoint on `none` or `host`: on record, and nothing in the kernel. */
function nullEndpoint(network: NetworkRecord, settings: EndpointSettings): EndpointRecord {
  const id = randomBytes(32).toString('hex');
  return {
    id,
    networkId: network.id,
    interfaceName: '',
    address: '',
    prefix: 0,
    gateway: '',
    mac: '',
    settings,
  };
}

/** The smallest number that no interface of the container has. */
function freePosition(endpoints: readonly EndpointRecord[]): number {
  const taken = new Set(endpoints.map((endpoint) => /\d+$/.exec(endpoint.interfaceName)?.[0]));
  let position = 0;
  while (taken.has(String(position))) position++;
  return position;
}
