import { Injectable } from '@nestjs/common';
import { EngineError, internal, messageOf } from '@gantry/shared/errors';
import { FirewallService } from '../firewall/firewall.service';
import { NetworkThread } from '../kernel/network-thread';
import { PortAllocator } from '../ports/port-allocator';
import { PortRelay } from '../ports/port-relay';
import { isRouted, routedPorts } from '../ports/routed-ports';
import type { Family } from '../ipam/cidr';
import { gatewayMode, OPTION } from '../records/network-options';
import { NetworkRegistry } from '../records/network-registry';
import type { EndpointRecord, PublishedPort, SandboxRecord } from '../records/sandbox-record';
import type { GatewayEndpoints } from './gateway-endpoints';

/** Published ports of a sandbox: host ports taken and packets led to it. */
@Injectable()
export class SandboxPorts {
  constructor(
    private readonly allocator: PortAllocator,
    private readonly relay: PortRelay,
    private readonly firewall: FirewallService,
    private readonly networks: NetworkRegistry,
    private readonly thread: NetworkThread,
  ) {}

  /** Takes the host ports, all or none; none without a way in. @throws Internal in dockerd's words */
  allocate(sandbox: SandboxRecord, { ipv4, ipv6 }: GatewayEndpoints): PublishedPort[] {
    const endpoint = ipv4 ?? ipv6;
    if (!endpoint) return [];
    const requests = sandbox.portRequests;
    const four = { address: ipv4?.address, isRouted: this.isRouted(ipv4, 4) };
    const six = { address: ipv6?.ipv6?.address, isRouted: this.isRouted(ipv6, 6) };
    const routed = [four, six].flatMap((one) => (one.isRouted && one.address ? [one.address] : []));
    const hidden = {
      ipv4: four.isRouted ? undefined : four.address,
      ipv6: six.isRouted ? undefined : six.address,
    };
    if (!hidden.ipv4 && !hidden.ipv6) return routedPorts(requests, routed);
    const network = this.networks.get(endpoint.networkId);
    try {
      const hostIp = network?.options[OPTION.hostBinding] || undefined;
      return [...this.allocator.allocate(requests, hidden, hostIp), ...routedPorts(requests, routed)];
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
    this.relay.open(ports.filter(isHidden));
    await this.forgetFlows(ports);
  }

  /** From now on nothing leads to the sandbox, and the ports are free. */
  async unpublish(ports: readonly PublishedPort[]): Promise<void> {
    if (ports.length === 0) return;
    try {
      await Promise.all([this.firewall.unpublish(ports), this.relay.close(ports.filter(isHidden))]);
      await this.forgetFlows(ports);
    } finally {
      this.abandon(ports);
    }
  }

  /** Gives back host ports that were never published. */
  abandon(ports: readonly PublishedPort[]): void {
    this.allocator.release(ports.filter(isHidden));
  }

  /** After a restart. Answers the ports that meanwhile somebody else has as well. */
  restore(ports: readonly PublishedPort[]): PublishedPort[] {
    const hidden = ports.filter(isHidden);
    const contested = this.allocator.restore(hidden);
    this.relay.open(hidden);
    return contested;
  }

  private isRouted(endpoint: EndpointRecord | undefined, family: Family): boolean {
    const network = endpoint && this.networks.get(endpoint.networkId);
    return network?.driver === 'bridge' && gatewayMode(network, family) === 'routed';
  }

  private async forgetFlows(ports: readonly PublishedPort[]): Promise<void> {
    const udp = ports.filter((port) => port.protocol === 'udp' && isHidden(port));
    if (udp.length > 0) await this.thread.stack.forgetFlows(udp);
  }
}

/** What takes a port of the host. */
const isHidden = (port: PublishedPort): boolean => !isRouted(port);
