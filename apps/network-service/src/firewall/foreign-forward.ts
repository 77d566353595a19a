import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { internal, messageOf } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { Family } from '../ipam/cidr';
import { NetworkThread } from '../kernel/network-thread';
import type { NetworkRecord } from '../records/network-record';
import { RulesetWatch } from './ruleset-watch';

/** A dockerd that starts makes its rules in many transactions, and its policy is not the last of them. */
const GATHER_MS = 250;
const PROGRAMS = { 4: 'iptables', 6: 'ip6tables' } as const;
const FAMILIES = [4, 6] as const;

/**
 * A dockerd that uses iptables drops every forwarded packet that it does not know, ours too, and so do firewalls such as
 * ufw; no other table can take that back. So our bridges are let pass there: in the chain that dockerd leaves to others,
 * DOCKER-USER, or where nothing jumps to that, at the head of FORWARD, as dockerd does it. What may really pass our own
 * table decides.
 */
@Injectable()
export class ForeignForward implements OnApplicationShutdown {
  private timer?: NodeJS.Timeout;
  private readonly warned = new Set<Family>();
  /** Where rules of ours have been seen or made. */
  private readonly touched = new Set<Family>();
  /** Listing and changing are two steps: one after the other. */
  private turn: Promise<unknown> = Promise.resolve();

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
      this.inTurn(() => this.reconcile(networks)).catch((error: unknown) =>
        this.logger.warn({ err: messageOf(error) }, 'cannot look at the rules of other programs'),
      );
    };
    look();
    this.rulesets.onForeignChange((tables) => {
      if (tables && [...tables].every((table) => table === `inet ${this.config.nftTable}`)) return;
      this.timer ??= setTimeout(look, GATHER_MS).unref();
    });
  }

  /** Lets a new network pass, where that is needed. */
  letPass(network: NetworkRecord): Promise<void> {
    return this.inTurn(async () => {
      for (const family of await this.thread.stack.familiesDropped())
        await this.addMissing(family, [network]);
    });
  }

  /** Takes the rules of a network away that is no more. */
  forget({ link }: NetworkRecord): Promise<void> {
    return this.inTurn(async () => {
      for (const family of this.touched) {
        const own = this.ownOf(await this.list(family));
        await this.change(family, own.filter((rule) => linkOf(rule) === link).map(deletionOf));
      }
    });
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
  }

  private async reconcile(networks: () => NetworkRecord[]): Promise<void> {
    const dropped = await this.thread.stack.familiesDropped();
    for (const family of FAMILIES) {
      if (!dropped.includes(family) && !this.touched.has(family)) continue;
      const own = this.ownOf(await this.list(family));
      const links = new Set(bridgesOf(networks(), family));
      await this.change(family, own.filter((rule) => !links.has(linkOf(rule) ?? '')).map(deletionOf));
      if (dropped.includes(family)) await this.addMissing(family, networks());
    }
  }

  private async addMissing(family: Family, networks: readonly NetworkRecord[]): Promise<void> {
    const bridges = bridgesOf(networks, family);
    if (bridges.length === 0) return;
    const rules = await this.list(family);
    if (!rules.includes('-P FORWARD DROP')) return this.warn(family, bridges);
    this.warned.delete(family);
    const chain = rules.includes('-A FORWARD -j DOCKER-USER') ? 'DOCKER-USER' : 'FORWARD';
    const wanted = bridges.flatMap((link) =>
      ['-i', '-o'].map((way) => `${chain} ${way} ${link} ${this.mark} -j ACCEPT`),
    );
    this.touched.add(family);
    await this.change(
      family,
      wanted.filter((rule) => !rules.includes(`-A ${rule}`)).map((rule) => `-I ${rule}`),
    );
  }

  private warn(family: Family, bridges: readonly string[]): void {
    if (this.warned.has(family)) return;
    this.warned.add(family);
    this.logger.warn(
      `another program drops forwarded packets of IPv${family}, not by ${PROGRAMS[family]}: allow ${bridges.join(', ')} in its rules`,
    );
  }

  private get mark(): string {
    return `-m comment --comment gantry:${this.config.instance}`;
  }

  private ownOf(rules: readonly string[]): string[] {
    return rules.filter((rule) => rule.startsWith('-A ') && rule.includes(`${this.mark} `));
  }

  /** The filter table, a line a rule, without quotes, which depend on the version. Empty where there is no such program. */
  private async list(family: Family): Promise<string[]> {
    const program = PROGRAMS[family];
    if (!this.linux.host.which(program)) return [];
    const { code, stdout } = await this.run([program, '-w', '5', '-S']);
    const rules = code === 0 ? stdout.replaceAll('"', '').split('\n') : [];
    if (this.ownOf(rules).length > 0) this.touched.add(family);
    return rules;
  }

  /** One transaction. */
  private async change(family: Family, commands: readonly string[]): Promise<void> {
    if (commands.length === 0) return;
    const program = `${PROGRAMS[family]}-restore`;
    const stdin = ['*filter', ...commands, 'COMMIT', ''].join('\n');
    const { code, stderr } = await this.run([program, '--noflush', '-w', '5'], stdin);
    if (code !== 0) throw internal(`${program}: ${stderr.trim()}`);
  }

  private run(argv: string[], stdin?: string) {
    return this.linux.processes.run(argv, { timeoutMs: 10_000, stdin });
  }

  private inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.turn.then(action, action);
    this.turn = result.catch(() => undefined);
    return result;
  }
}

const bridgesOf = (networks: readonly NetworkRecord[], family: Family): string[] =>
  networks.flatMap(({ driver, link, ipv4, ipv6 }) =>
    driver === 'bridge' && link && (family === 4 ? ipv4 : ipv6) ? [link] : [],
  );

const linkOf = (rule: string): string | undefined => / -[io] (\S+) /.exec(rule)?.[1];

const deletionOf = (rule: string): string => rule.replace(/^-A /, '-D ');
