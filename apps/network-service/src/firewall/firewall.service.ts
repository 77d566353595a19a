import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { NetworkThread } from '../kernel/network-thread';
import type { NetworkRecord } from '../records/network-record';
import type { PublishedPort } from '../records/sandbox-record';
import { baseTable } from './base-table';
import { partCommands } from './changes';
import { networkRules } from './network-rules';
import { portElements } from './port-elements';
import { RulesetWatch } from './ruleset-watch';
import { addPart, type Part, removePart } from './table';

/** A reload of somebody's firewall is several transactions. */
const GATHER_MS = 50;
const RETRY_MS = 1_000;

/**
 * The nftables table of this instance. What it has to hold is known here; every change is one transaction of only that
 * change, and whatever other programs do to the table is undone.
 */
@Injectable()
export class FirewallService implements OnApplicationShutdown {
  private readonly table: string;
  private readonly desired = baseTable();
  private timer?: NodeJS.Timeout;
  private lastReconcile?: Promise<number>;
  private nextReconcile?: Promise<number>;
  private stopped = false;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly thread: NetworkThread,
    private readonly watch: RulesetWatch,
  ) {
    this.table = config.nftTable;
  }

  /** Makes the table that is there, whoever left it, hold just this; and keeps it so. */
  async stand(networks: readonly NetworkRecord[], ports: readonly PublishedPort[]): Promise<void> {
    for (const network of networks) addPart(this.desired, networkRules(network));
    addPart(this.desired, portElements(ports));
    this.watch.onForeignChange((tables) => {
      if (!tables || tables.has(`inet ${this.table}`)) this.schedule(GATHER_MS);
    });
    await this.reconcile();
  }

  async addNetwork(network: NetworkRecord): Promise<void> {
    await this.add(networkRules(network));
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    await this.remove(networkRules(network));
  }

  async publish(ports: readonly PublishedPort[]): Promise<void> {
    await this.add(portElements(ports));
  }

  async unpublish(ports: readonly PublishedPort[]): Promise<void> {
    await this.remove(portElements(ports));
  }

  onApplicationShutdown(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  private async add(part: Part): Promise<void> {
    addPart(this.desired, part);
    try {
      await this.apply('add', part);
    } catch (error) {
      removePart(this.desired, part);
      throw error;
    }
  }

  private async remove(part: Part): Promise<void> {
    removePart(this.desired, part);
    await this.apply('delete', part);
  }

  private async apply(command: 'add' | 'delete', part: Part): Promise<void> {
    const commands = partCommands(this.table, command, part, this.desired.lookups);
    if (commands.length === 0) return;
    try {
      await this.thread.stack.firewall(commands.join('\n'));
    } catch (error) {
      // Somebody has been at the table: as a whole it can be put right.
      this.logger.warn({ err: messageOf(error) }, 'the nftables table is not as it was left');
      await this.reconcile();
    }
  }

  /**
   * Who asks while one is under way joins the next one: a hundred commands that fail for one reason cost two listings of
   * the table, not a hundred.
   */
  private reconcile(): Promise<number> {
    this.nextReconcile ??= (this.lastReconcile ?? Promise.resolve(0))
      .catch(() => 0)
      .then(() => {
        this.nextReconcile = undefined;
        this.lastReconcile = this.thread.stack.reconcileFirewall(this.table, this.desired);
        return this.lastReconcile;
      });
    return this.nextReconcile;
  }

  private schedule(ms: number): void {
    if (this.stopped) return;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.reconcile().then(
        (changes) => {
          if (changes === 0) return;
          this.logger.warn(
            { table: this.table, changes },
            'the nftables table was changed and has been put right',
          );
        },
        (error: unknown) => {
          if (this.stopped) return;
          this.logger.error({ err: messageOf(error) }, 'the nftables table cannot be put right');
          this.schedule(RETRY_MS);
        },
      );
    }, ms);
    this.timer.unref();
  }
}
