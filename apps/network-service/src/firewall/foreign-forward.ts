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
/** Nobody is told of what iptables-legacy changes: where it has rules, they are looked at this often. */
const LEGACY_MS = 5_000;

/** A filter table and the program for it; the kernel has those of iptables-legacy beside nftables. */
interface FilterTable {
  family: Family;
  program: string;
  legacy: boolean;
}
const TABLES: FilterTable[] = [
  { family: 4, program: 'iptables', legacy: false },
  { family: 6, program: 'ip6tables', legacy: false },
  { family: 4, program: 'iptables-legacy', legacy: true },
  { family: 6, program: 'ip6tables-legacy', legacy: true },
];

/**
 * A dockerd that uses iptables drops every forwarded packet that it does not know, ours too, and so do firewalls such as
 * ufw; no other table can take that back. So our bridges are let pass there: in the chain that dockerd leaves to others,
 * DOCKER-USER, or where nothing jumps to that, at the head of FORWARD, as dockerd does it. What may really pass our own
 * table decides.
 */
@Injectable()
export class ForeignForward implements OnApplicationShutdown {
  private timer?: NodeJS.Timeout;
  private legacyTimer?: NodeJS.Timeout;
  private readonly warned = new Set<FilterTable>();
  /** Where rules of ours have been seen or made. */
  private readonly touched = new Set<FilterTable>();
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
    this.legacyTimer = setInterval(() => {
      if (TABLES.some((table) => table.legacy && this.hasLegacy(table))) look();
    }, LEGACY_MS).unref();
    this.rulesets.onForeignChange((tables) => {
      if (tables && [...tables].every((table) => table === `inet ${this.config.nftTable}`)) return;
      this.timer ??= setTimeout(look, GATHER_MS).unref();
    });
  }

  /** Lets a new network pass, where that is needed. */
  letPass(network: NetworkRecord): Promise<void> {
    return this.inTurn(async () => {
      for (const table of await this.dropping()) await this.addMissing(table, [network]);
    });
  }

  /** Takes the rules of a network away that is no more. */
  forget({ link }: NetworkRecord): Promise<void> {
    return this.inTurn(async () => {
      for (const table of this.touched) {
        const own = this.ownOf(await this.list(table));
        await this.change(table, own.filter((rule) => linkOf(rule) === link).map(deletionOf));
      }
    });
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
    clearInterval(this.legacyTimer);
  }

  private async reconcile(networks: () => NetworkRecord[]): Promise<void> {
    const dropping = await this.dropping();
    for (const table of TABLES) {
      if (!dropping.includes(table) && !this.touched.has(table)) continue;
      const own = this.ownOf(await this.list(table));
      const links = new Set(bridgesOf(networks(), table.family));
      await this.change(table, own.filter((rule) => !links.has(linkOf(rule) ?? '')).map(deletionOf));
      if (dropping.includes(table)) await this.addMissing(table, networks());
    }
  }

  /** Where forwarded packets are dropped that the rules there do not know. */
  private async dropping(): Promise<FilterTable[]> {
    const families = await this.thread.stack.familiesDropped();
    const found: FilterTable[] = [];
    for (const table of TABLES) {
      const drops = table.legacy
        ? this.hasLegacy(table) && (await this.list(table)).includes(DROPS)
        : families.includes(table.family);
      if (drops) found.push(table);
    }
    return found;
  }

  /** Asked first, for the program would make the table. */
  private hasLegacy({ family }: FilterTable): boolean {
    return this.linux.host.legacyTables(family).includes('filter');
  }

  private async addMissing(table: FilterTable, networks: readonly NetworkRecord[]): Promise<void> {
    const bridges = bridgesOf(networks, table.family);
    if (bridges.length === 0) return;
    const rules = await this.list(table);
    if (!rules.includes(DROPS)) return this.warn(table, bridges);
    this.warned.delete(table);
    const chain = rules.includes('-A FORWARD -j DOCKER-USER') ? 'DOCKER-USER' : 'FORWARD';
    const wanted = bridges.flatMap((link) =>
      ['-i', '-o'].map((way) => `${chain} ${way} ${link} ${this.mark} -j ACCEPT`),
    );
    this.touched.add(table);
    await this.change(
      table,
      wanted.filter((rule) => !rules.includes(`-A ${rule}`)).map((rule) => `-I ${rule}`),
    );
  }

  private warn(table: FilterTable, bridges: readonly string[]): void {
    if (this.warned.has(table)) return;
    this.warned.add(table);
    this.logger.warn(
      `another program drops forwarded packets of IPv${table.family}, not by ${table.program}: allow ${bridges.join(', ')} in its rules`,
    );
  }

  private get mark(): string {
    return `-m comment --comment gantry:${this.config.instance}`;
  }

  private ownOf(rules: readonly string[]): string[] {
    return rules.filter((rule) => rule.startsWith('-A ') && rule.includes(`${this.mark} `));
  }

  /** A line a rule, without quotes, which depend on the version. Empty where there is no such program. */
  private async list(table: FilterTable): Promise<string[]> {
    if (!this.linux.host.which(table.program)) return [];
    const { code, stdout } = await this.run([table.program, '-w', '5', '-S']);
    const rules = code === 0 ? stdout.replaceAll('"', '').split('\n') : [];
    if (this.ownOf(rules).length > 0) this.touched.add(table);
    return rules;
  }

  /** One transaction. */
  private async change({ program }: FilterTable, commands: readonly string[]): Promise<void> {
    if (commands.length === 0) return;
    const stdin = ['*filter', ...commands, 'COMMIT', ''].join('\n');
    const { code, stderr } = await this.run([`${program}-restore`, '--noflush', '-w', '5'], stdin);
    if (code !== 0) throw internal(`${program}-restore: ${stderr.trim()}`);
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

/** The policy, as `-S` lists it. */
const DROPS = '-P FORWARD DROP';

const bridgesOf = (networks: readonly NetworkRecord[], family: Family): string[] =>
  networks.flatMap(({ driver, link, ipv4, ipv6 }) =>
    driver === 'bridge' && link && (family === 4 ? ipv4 : ipv6) ? [link] : [],
  );

const linkOf = (rule: string): string | undefined => / -[io] (\S+) /.exec(rule)?.[1];

const deletionOf = (rule: string): string => rule.replace(/^-A /, '-D ');
