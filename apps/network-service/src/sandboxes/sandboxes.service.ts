import { Injectable } from '@nestjs/common';
import { dnsDefaults } from '@gantry/shared/config';
import { forbidden, internal, notFound } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { KeyedLock } from '@gantry/shared/locks';
import type { AttachSandboxRequest, EndpointRequest } from '@gantry/proto/network';
import { ResolverService } from '../dns/resolver.service';
import type { NetworkRecord } from '../records/network-record';
import { NetworkRegistry } from '../records/network-registry';
import type { SandboxRecord } from '../records/sandbox-record';
import { SandboxRegistry } from '../records/sandbox-registry';
import { checkConnectable, checkEndpointSettings, parseEndpointSettings } from './endpoint-settings';
import { FormerAddresses } from './former-addresses';
import { newSandbox } from './new-sandbox';
import { nullEndpoint } from './null-endpoint';
import { SandboxBuilder, type WantedEndpoint } from './sandbox-builder';
import { SandboxPorts } from './sandbox-ports';
import { SandboxReaper } from './sandbox-reaper';

/** Namespaces of containers, their endpoints and ports. */
@Injectable()
export class SandboxesService {
  /** Calls for one container come one after the other. */
  private readonly turns = new KeyedLock();
  private readonly dns = dnsDefaults();

  constructor(
    private readonly networks: NetworkRegistry,
    private readonly sandboxes: SandboxRegistry,
    private readonly builder: SandboxBuilder,
    private readonly former: FormerAddresses,
    private readonly reaper: SandboxReaper,
    private readonly ports: SandboxPorts,
    private readonly resolver: ResolverService,
    private readonly events: EventPublisher,
  ) {}

  /** The sandbox of a container that starts; the one it has when it was attached before. */
  attach(request: AttachSandboxRequest): Promise<SandboxRecord> {
    return this.turns.hold(request.containerId, async () => {
      const known = this.sandboxes.get(request.containerId);
      if (known) return known;
      const endpoints = this.resolveAll(request);
      const sandbox = newSandbox(request, this.dns);
      await this.networks.whileJoining(
        endpoints.map(({ network }) => network.id),
        () => this.builder.make(sandbox, endpoints),
      );
      for (const endpoint of sandbox.endpoints) this.publishEvent('connect', sandbox, endpoint.networkId);
      return sandbox;
    });
  }

  /** What a container in the host's network is told. Nothing of it is made or kept. */
  onHost(request: AttachSandboxRequest): SandboxRecord {
    const host = nullEndpoint(this.networks.resolve('host'), {});
    return { ...newSandbox({ ...request, hostname: '' }, this.dns), endpoints: [host], exposedPorts: [] };
  }

  /** Nothing leads to the container any more when this resolves; its namespace goes in the background. */
  release(containerId: string): Promise<void> {
    return this.turns.hold(containerId, async () => {
      const sandbox = this.sandboxes.get(containerId);
      if (!sandbox) return;
      this.sandboxes.remove(containerId);
      this.resolver.close(containerId);
      for (const endpoint of sandbox.endpoints) this.former.remember(containerId, endpoint);
      for (const endpoint of sandbox.endpoints) this.publishEvent('disconnect', sandbox, endpoint.networkId);
      this.reaper.add(this.builder.remainsOf(sandbox));
      await this.ports.unpublish(sandbox.ports);
    });
  }

  connect(containerId: string, request: EndpointRequest): Promise<SandboxRecord> {
    return this.turns.hold(containerId, async () => {
      const sandbox = this.required(containerId);
      const { network, settings } = this.resolve(request);
      this.checkJoinable(sandbox, network);
      const next = await this.networks.whileJoining([network.id], () =>
        this.builder.join(sandbox, network, settings),
      );
      this.publishEvent('connect', next, network.id);
      return next;
    });
  }

  disconnect(containerId: string, reference: string): Promise<SandboxRecord> {
    return this.turns.hold(containerId, async () => {
      const sandbox = this.required(containerId);
      const network = this.networks.resolve(reference);
      const endpoint = sandbox.endpoints.find((one) => one.networkId === network.id);
      if (!endpoint) {
        throw internal(`container ${containerId} is not connected to network ${network.name}`);
      }
      const next = await this.builder.leave(sandbox, endpoint);
      this.former.remember(containerId, endpoint);
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
    return this.turns.hold(containerId, async () => {
      const sandbox = this.sandboxes.get(containerId);
      if (sandbox) this.sandboxes.settle({ ...sandbox, containerName: name });
    });
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

  private resolveAll(request: AttachSandboxRequest): WantedEndpoint[] {
    if (request.mode === 'none') return [{ network: this.networks.resolve('none'), settings: {} }];
    const resolved = request.endpoints.map((endpoint) => this.resolve(endpoint));
    for (const { network } of resolved) if (network.driver === 'host') checkConnectable(network);
    if (resolved.length > 1) for (const { network } of resolved) checkConnectable(network);
    return resolved;
  }

  private resolve(request: EndpointRequest): WantedEndpoint {
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
}
