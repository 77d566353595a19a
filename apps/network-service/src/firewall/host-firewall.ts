import type { KeptNftables, Nftables } from '@gantry/shared/linux';
import type { Family } from '../ipam/cidr';
import { changesTo } from './changes';
import { type PresentTable, presentTable } from './present-table';
import type { FirewallTable } from './table';

const MAX_TRIES = 5;

/** nftables of the host, for the network thread. */
export class HostFirewall {
  private session?: KeptNftables;

  constructor(private readonly nftables: Nftables) {}

  /** One transaction. */
  run(commands: string): void {
    for (let tries = 1; ; tries++) {
      try {
        return this.kept().run(commands);
      } catch (error) {
        // The kernel gives a transaction up, whole, when a signal comes while it checks the rules.
        if (tries === MAX_TRIES || !String(error).includes('Interrupted system call')) throw error;
      }
    }
  }

  /** Makes `table inet <name>` what it shall be, in one transaction. Answers how many commands it took. */
  reconcile(table: string, desired: FirewallTable): number {
    const changes = changesTo(table, this.present(table), desired);
    if (changes.length > 0) this.run(changes.join('\n'));
    return changes.length;
  }

  /** Of which families another program's rules drop forwarded packets that they do not know (dockerd's do). */
  familiesDropped(): Family[] {
    const { nftables } = this.kept().query('list chains') as {
      nftables: { chain?: { family: string; hook?: string; policy?: string } }[];
    };
    const dropping = new Set(
      nftables.flatMap(({ chain }) =>
        chain?.hook === 'forward' && chain.policy === 'drop' ? [chain.family] : [],
      ),
    );
    const isDropped = (name: string): boolean => dropping.has(name) || dropping.has('inet');
    return [...(isDropped('ip') ? [4 as const] : []), ...(isDropped('ip6') ? [6 as const] : [])];
  }

  close(): void {
    this.session?.close();
    this.session = undefined;
  }

  private present(table: string): PresentTable | undefined {
    try {
      return presentTable(this.kept().query(`list table inet ${table}`));
    } catch (error) {
      if (String(error).includes('No such file or directory')) return undefined;
      throw error;
    }
  }

  private kept(): KeptNftables {
    return (this.session ??= this.nftables.open());
  }
}
