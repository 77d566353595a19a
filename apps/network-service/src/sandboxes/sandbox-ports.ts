import { Injectable } from '@nestjs/common';
import { EngineError, internal, messageOf } from '@gantry/shared/errors';
import { FirewallService } from '../firewall/firewall.service';
import { PortAllocator } from '../ports/port-allocator';
import { PortRelay } from '../ports/port-relay';
import { OPTION } from '../records/network-options';
import { NetworkRegistry } from '../records/network-registry';
import type { PublishedPort, SandboxRecord } from '../records/sandbox-record';
import type { GatewayEndpoints } from './gateway-endpoints';

/** Published ports of a sandbox: host ports taken and packets led to it. */
@Injectable()
export class SandboxPorts {
  constructor(
    private readonly allocator: PortAllocator,
    private readonly relay: PortRelay,
    private readonly firewall: FirewallService,
    private readonly networks: NetworkRegistry,
  ) {}

  /** Takes the host ports, all or none; none without a way in. @throws Internal in dockerd's words */
  allocate(sandbox: SandboxRecord, { ipv4, ipv6 }: GatewayEndpoints): PublishedPort[] {
    const endpoint = ipv4 ?? ipv6;
    if (!endpoint) return [];
    const network = this.networks.get(endpoint.networkId);
    try {
      return this.allocator.allocate(
        sandbox.portRequests,
        { ipv4: ipv4?.address, ipv6: ipv6?.ipv6?.address },
        network?.options[OPTION.hostBinding] || undefined,
      );
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw internal(
        'failed to set up container networking: driver failed programming external connectivity on endpoint ' +
          `${sandbox.containerName} (${endpoint.id}): ${messageOf(error)}`,
        error,
      );
    }
  }

  async publish(ports: readonly PublishedPort[]): Promise<void> {
    await this.firewall.publish(ports);
    this.relay.open(ports);
  }

  /** From now on nothing leads to the sandbox, and the ports are free. */
  async unpublish(ports: readonly PublishedPort[]): Promise<void> {
    if (ports.length === 0) return;
    try {
      await Promise.all([this.firewall.unpublish(ports), this.relay.close(ports)]);
    } finally {
      this.allocator.release(ports);
    }
  }

  /** Gives back host ports that were never published. */
  abandon(ports: readonly PublishedPort[]): void {
    this.allocator.release(ports);
  }

  /** After a restart. Answers the ports that meanwhile somebody else has as well. */
  restore(ports: readonly PublishedPort[]): PublishedPort[] {
    const contested = this.allocator.restore(ports);
    this.relay.open(ports);
    return contested;
  }
}
