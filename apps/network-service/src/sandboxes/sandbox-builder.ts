import { Inject, Injectable } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
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
import { isPlain } from './endpoint-settings';
import { FormerAddresses } from './former-addresses';
import { defaultRoutes, type GatewayEndpoints, gatewayEndpoints } from './gateway-endpoints';
import { interfaceNames } from './interface-names';
import { nullEndpoint } from './null-endpoint';
import { type PooledSandbox, SandboxPool } from './sandbox-pool';
import { SandboxPorts } from './sandbox-ports';
import { type Remains, SandboxReaper } from './sandbox-reaper';

/** What a request asks for, before anything of it is made. */
export interface WantedEndpoint {
  network: NetworkRecord;
  settings: EndpointSettings;
}

/** Makes namespaces of containers and puts endpoints into them; what fails leaves everything as it was. */
@Injectable()
export class SandboxBuilder {
  constructor(
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
  ) {}

  /** The namespace with these endpoints and the published ports; the record is on disk when this resolves. */
  async make(sandbox: SandboxRecord, endpoints: readonly WantedEndpoint[]): Promise<void> {
    await this.reaper.clear(this.sandboxes.namespaceOf(sandbox.containerId));
    const pooled = this.fromPool(sandbox.containerId, endpoints);
    if (pooled) await this.adopt(sandbox, pooled, endpoints[0]?.settings ?? {});
    else await this.build(sandbox, endpoints);
  }

  /** Adds an endpoint. */
  async join(
    sandbox: SandboxRecord,
    network: NetworkRecord,
    settings: EndpointSettings,
  ): Promise<SandboxRecord> {
    const taken = sandbox.endpoints.map((endpoint) => endpoint.interfaceName);
    const [name = ''] = interfaceNames([{ network, settings }], taken);
    const plan = await this.planner.plan(sandbox.containerId, network, settings, name);
    const path = this.sandboxes.namespaceOf(sandbox.containerId);
    const next = { ...sandbox, endpoints: [...sandbox.endpoints, plan.record] };
    let added = false;
    try {
      await this.thread.stack.addInterface(path, plan.interface);
      added = true;
      await this.moveGateway(sandbox, next);
      await this.openResolver(next);
      this.sandboxes.put(next);
    } catch (error) {
      // Otherwise one of that name is somebody else's.
      if (added) await this.thread.stack.removeInterface(path, name);
      await this.moveGateway(next, sandbox).catch(() => undefined);
      this.planner.release(plan);
      throw error;
    }
    return next;
  }

  /** Takes an endpoint away. */
  async leave(sandbox: SandboxRecord, endpoint: EndpointRecord): Promise<SandboxRecord> {
    const next = { ...sandbox, endpoints: sandbox.endpoints.filter((one) => one !== endpoint) };
    if (endpoint.interfaceName !== '') {
      const path = this.sandboxes.namespaceOf(sandbox.containerId);
      await this.thread.stack.removeInterface(path, endpoint.interfaceName);
    }
    await this.moveGateway(sandbox, next);
    this.sandboxes.settle(next);
    for (const { ip } of addressesOf(endpoint)) this.ipam.release(endpoint.networkId, ip);
    return next;
  }

  /** What a sandbox leaves behind for the reaper. */
  remainsOf(sandbox: SandboxRecord): Remains {
    return {
      paths: [this.sandboxes.namespaceOf(sandbox.containerId)],
      addresses: sandbox.endpoints.flatMap(addressesOf),
    };
  }

  private fromPool(containerId: string, endpoints: readonly WantedEndpoint[]): PooledSandbox | undefined {
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
      adoptNamespace(this.linux, pooled.path, this.sandboxes.namespaceOf(sandbox.containerId));
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

  private async build(sandbox: SandboxRecord, endpoints: readonly WantedEndpoint[]): Promise<void> {
    const plans: EndpointPlan[] = [];
    const path = this.sandboxes.namespaceOf(sandbox.containerId);
    let built = false;
    try {
      for (const { network, settings } of endpoints) {
        if (network.driver === 'null') sandbox.endpoints.push(nullEndpoint(network, settings));
      }
      const wired = endpoints.filter(({ network }) => network.driver !== 'null');
      const names = interfaceNames(wired, []);
      for (const [position, { network, settings }] of wired.entries()) {
        plans.push(await this.planner.plan(sandbox.containerId, network, settings, names[position] ?? ''));
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
    await this.thread.stack.setDefaultRoutes(
      this.sandboxes.namespaceOf(after.containerId),
      defaultRoutes(are),
    );
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
      this.sandboxes.namespaceOf(sandbox.containerId),
      sandbox.dnsPort,
    );
  }

  private gatewaysOf(sandbox: SandboxRecord): GatewayEndpoints {
    return gatewayEndpoints(sandbox.endpoints, (id) => this.networks.get(id));
  }
}

function addressesOf({ networkId, address, ipv6, hostLink }: EndpointRecord): Remains['addresses'] {
  return [address, ipv6?.address ?? ''].flatMap((text) => {
    const ip = parseIp(text);
    return ip === undefined ? [] : [{ networkId, ip, hostLink }];
  });
}
