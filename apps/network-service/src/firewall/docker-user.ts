import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { NetworkThread } from '../kernel/network-thread';
import type { NetworkRecord } from '../records/network-record';
import { RulesetWatch } from './ruleset-watch';

const CHAIN = 'DOCKER-USER';
/** A dockerd that starts makes its rules in many transactions, and its policy is not the last of them. */
const GATHER_MS = 250;

/**
 * A dockerd that uses iptables drops every forwarded packet that it does not know, ours too, and no other table can take
 * that back. It leaves one chain to others, DOCKER-USER: there our bridges are let pass. What may really pass our own
 * table decides.
 */
@Injectable()
export class DockerUserChain implements OnApplicationShutdown {
  private timer?: NodeJS.Timeout;
  private warned = false;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'processes' | 'host'>,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly thread: NetworkThread,
    private readonly rulesets: RulesetWatch,
  ) {}

  /** Looks now, in the background, and again whenever another program has changed its rules. */
  watch(networks: () => NetworkRecord[]): void {
    const look = () => {
      this.timer = undefined;
      this.letPass(networks()).catch((error: unknown) =>
        this.logger.warn({ err: messageOf(error) }, 'cannot look at the rules of other programs'),
      );
    };
    look();
    this.rulesets.onForeignChange((tables) => {
      if (tables && [...tables].every((table) => table === `inet ${this.config.nftTable}`)) return;
      this.timer ??= setTimeout(look, GATHER_MS).unref();
    });
  }

  /** Adds the rules that are missing, where some are needed. */
  async letPass(networks: readonly NetworkRecord[]): Promise<void> {
    if (!(await this.thread.stack.othersDropForwarded())) return;
    const bridges = networks.flatMap(({ driver, link }) => (driver === 'bridge' && link ? [link] : []));
    const rules = this.linux.host.which('iptables') ? await this.iptables('-S', CHAIN) : undefined;
    if (rules === undefined) {
      if (!this.warned) {
        this.logger.warn(
          `another program drops forwarded packets and has no chain ${CHAIN}: allow ${bridges.join(', ')} in its rules`,
        );
      }
      this.warned = true;
      return;
    }
    for (const rule of bridges.flatMap((bridge) => this.rulesOf(bridge))) {
      if (!rules.replaceAll('"', '').includes(textOf(rule))) await this.iptables('-I', CHAIN, ...rule);
    }
  }

  /** Takes the rules of a bridge away that is no more. */
  async forget(network: NetworkRecord): Promise<void> {
    if (!network.link || !(await this.thread.stack.othersDropForwarded())) return;
    if (!this.linux.host.which('iptables')) return;
    for (const rule of this.rulesOf(network.link)) await this.iptables('-D', CHAIN, ...rule);
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
  }

  private rulesOf(bridge: string): string[][] {
    const rest = ['-m', 'comment', '--comment', `gantry:${this.config.instance}`, '-j', 'ACCEPT'];
    return [
      ['-i', bridge, ...rest],
      ['-o', bridge, ...rest],
    ];
  }

  /** What it wrote; undefined where it failed. */
  private async iptables(...args: string[]): Promise<string | undefined> {
    const { code, stdout } = await this.linux.processes.run(['iptables', '-w', '5', ...args], {
      timeoutMs: 10_000,
    });
    return code === 0 ? stdout : undefined;
  }
}

/** As `iptables -S` lists it. Quotes depend on its version. */
const textOf = (rule: readonly string[]): string => `-A ${CHAIN} ${rule.join(' ')}\n`;
