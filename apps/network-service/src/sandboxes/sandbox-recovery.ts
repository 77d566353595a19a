import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { networkPaths } from '../config';
import { ResolverService } from '../dns/resolver.service';
import { parseIp } from '../ipam/cidr';
import { IpamService } from '../ipam/ipam.service';
import { NetworkThread } from '../kernel/network-thread';
import { NetworkRegistry } from '../records/network-registry';
import type { SandboxRecord } from '../records/sandbox-record';
import { SandboxRegistry } from '../records/sandbox-registry';
import { SandboxPorts } from './sandbox-ports';

/**
 * After a start, whatever ended the run before it: sandboxes that still have their namespace go on as they are, records
 * without one are given up, and what has no record is taken away.
 */
@Injectable()
export class SandboxRecovery {
  private readonly paths: { sandboxes: string; pool: string };

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly networks: NetworkRegistry,
    private readonly sandboxes: SandboxRegistry,
    private readonly ipam: IpamService,
    private readonly thread: NetworkThread,
    private readonly ports: SandboxPorts,
    private readonly resolver: ResolverService,
  ) {
    this.paths = networkPaths(config);
  }

  /** Takes addresses and ports of living sandboxes again. Before the firewall is put in place. */
  async restore(): Promise<void> {
    const kept = new Set(
      await this.thread.stack.keptSandboxes(this.sandboxes.all().map((one) => this.pathOf(one))),
    );
    for (const sandbox of this.sandboxes.all()) {
      if (!kept.has(this.pathOf(sandbox))) {
        this.sandboxes.remove(sandbox.containerId);
        this.logger.info({ container: sandbox.containerId }, 'sandbox is gone, given up');
        continue;
      }
      for (const { networkId, address, ipv6 } of sandbox.endpoints) {
        for (const each of [address, ipv6?.address ?? '']) this.claim(networkId, each);
      }
      const contested = this.ports.restore(sandbox.ports);
      if (contested.length > 0) {
        this.logger.warn(
          { container: sandbox.containerId, ports: contested },
          'another process has the port too',
        );
      }
    }
  }

  /** Resolvers of living sandboxes: containers must not wait for names longer than it takes us to start. */
  async reopenResolvers(): Promise<void> {
    await Promise.all(this.sandboxes.all().map((sandbox) => this.reopenResolver(sandbox)));
  }

  private async reopenResolver(sandbox: SandboxRecord): Promise<void> {
    const { containerId, dnsPort } = sandbox;
    if (dnsPort === undefined) return;
    try {
      const port = await this.resolver.open(containerId, this.pathOf(sandbox), dnsPort);
      if (port !== dnsPort) this.sandboxes.put({ ...sandbox, dnsPort: port });
    } catch (error) {
      this.logger.error({ err: messageOf(error), container: containerId }, 'no resolver for a container');
    }
  }

  /** Takes away namespaces and links that no record speaks of. */
  async sweep(): Promise<void> {
    const known = new Set(this.sandboxes.all().map((sandbox) => sandbox.containerId));
    const strays = filesIn(this.paths.sandboxes).filter(
      (path) => !known.has(basename(path)) && !path.includes('.json'),
    );
    await this.thread.stack.dropSandboxes([...strays, ...filesIn(this.paths.pool)]);
    const links = new Set([
      ...this.sandboxes.all().flatMap((sandbox) => sandbox.endpoints.map((endpoint) => endpoint.hostLink)),
      ...this.networks.all().map((network) => network.link),
    ]);
    let removed = 0;
    for (const { name } of await this.thread.stack.ownLinks(this.config.linkAlias)) {
      if (links.has(name)) continue;
      await this.thread.stack.removeLink(name);
      removed++;
    }
    if (strays.length + removed > 0) {
      this.logger.info({ namespaces: strays.length, links: removed }, 'leftovers removed');
    }
  }

  private claim(networkId: string, address: string): void {
    const network = this.networks.get(networkId);
    const ip = parseIp(address);
    if (network && ip !== undefined && !this.ipam.isUsed(networkId, ip)) this.ipam.claim(network, ip);
  }

  private pathOf(sandbox: SandboxRecord): string {
    return join(this.paths.sandboxes, sandbox.containerId);
  }
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(directory, entry.name));
}
