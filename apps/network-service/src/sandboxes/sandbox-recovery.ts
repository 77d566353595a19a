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
import { SandboxReaper } from './sandbox-reaper';

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
    private readonly reaper: SandboxReaper,
  ) {
    this.paths = networkPaths(config);
  }

  /** Takes addresses and ports of living sandboxes again. Before the firewall is put in place. */
  async restore(): Promise<void> {
    const kept = new Set(
      await this.thread.stack.keptSandboxes(
        this.sandboxes.all().map((one) => this.sandboxes.namespaceOf(one.containerId)),
      ),
    );
    for (const sandbox of this.sandboxes.all()) {
      if (!kept.has(this.sandboxes.namespaceOf(sandbox.containerId))) {
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
      const port = await this.resolver.open(
        containerId,
        this.sandboxes.namespaceOf(sandbox.containerId),
        dnsPort,
      );
      if (port !== dnsPort) this.sandboxes.put({ ...sandbox, dnsPort: port });
    } catch (error) {
      this.logger.error({ err: messageOf(error), container: containerId }, 'no resolver for a container');
    }
  }

  /**
   * Finds namespaces and links that no record speaks of: now, before new ones are made. They are taken away in the
   * background: a link costs the kernel 20 ms, and nobody shall wait for those of a run that is over.
   */
  async sweep(): Promise<void> {
    const known = new Set(this.sandboxes.all().map((sandbox) => sandbox.containerId));
    const strays = filesIn(this.paths.sandboxes).filter(
      (path) => !known.has(basename(path)) && !path.includes('.json'),
    );
    const used = new Set([
      ...this.sandboxes.all().flatMap((sandbox) => sandbox.endpoints.map((endpoint) => endpoint.hostLink)),
      ...this.networks.all().map((network) => network.link),
    ]);
    const own = await this.thread.stack.ownLinks(this.config.linkAlias);
    const links = own.flatMap(({ name }) => (used.has(name) ? [] : [name]));
    this.reaper.add({ paths: [...strays, ...filesIn(this.paths.pool)], addresses: [] });
    this.removeLinks(links).then(
      () => {
        if (strays.length + links.length === 0) return;
        this.logger.info({ namespaces: strays.length, links: links.length }, 'leftovers removed');
      },
      (error: unknown) => this.logger.error({ err: messageOf(error) }, 'leftovers not removed'),
    );
  }

  /** One by one: others have their turn in between. */
  private async removeLinks(names: readonly string[]): Promise<void> {
    for (const name of names) await this.thread.stack.removeLink(name);
  }

  private claim(networkId: string, address: string): void {
    const network = this.networks.get(networkId);
    const ip = parseIp(address);
    if (network && ip !== undefined && !this.ipam.isUsed(networkId, ip)) this.ipam.claim(network, ip);
  }
}

function filesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(directory, entry.name));
}
