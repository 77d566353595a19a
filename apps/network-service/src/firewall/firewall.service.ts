import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { NetworkThread } from '../kernel/network-thread';
import type { NetworkRecord } from '../records/network-record';
import type { PublishedPort } from '../records/sandbox-record';
import { renderNetwork, renderNetworkRemoval, renderPorts, renderTable } from './ruleset';

/** How often to look whether somebody (`nft flush ruleset`, a firewall's reload) took our table away. */
const CHECK_MS = 2_000;

/** The nftables table of this instance. What it has to hold is known to the caller of {@link stand}. */
@Injectable()
export class FirewallService implements OnApplicationShutdown {
  private readonly table: string;
  private watch?: NodeJS.Timeout;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly thread: NetworkThread,
  ) {
    this.table = config.nftTable;
  }

  /** Puts the table in place, whole, and puts it back whenever it vanishes. */
  async stand(content: () => { networks: NetworkRecord[]; ports: PublishedPort[] }): Promise<void> {
    const restore = () => {
      const { networks, ports } = content();
      return this.thread.stack.firewall(renderTable(this.table, networks, ports));
    };
    await restore();
    this.watch = setInterval(() => {
      this.thread.stack
        .firewallStands(this.table)
        .then(async (stands) => {
          if (stands) return;
          await restore();
          this.logger.warn({ table: this.table }, 'the nftables table was gone and has been put back');
        })
        .catch((error: unknown) =>
          this.logger.error({ err: messageOf(error) }, 'the nftables table cannot be put back'),
        );
    }, CHECK_MS);
    this.watch.unref();
  }

  async addNetwork(network: NetworkRecord): Promise<void> {
    await this.run(renderNetwork(this.table, network));
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    await this.run(renderNetworkRemoval(this.table, network));
  }

  async publish(ports: readonly PublishedPort[]): Promise<void> {
    await this.run(renderPorts(this.table, 'add', ports));
  }

  async unpublish(ports: readonly PublishedPort[]): Promise<void> {
    await this.run(renderPorts(this.table, 'delete', ports));
  }

  onApplicationShutdown(): void {
    clearInterval(this.watch);
  }

  private async run(commands: string): Promise<void> {
    if (commands !== '') await this.thread.stack.firewall(commands);
  }
}
