import type { InstanceConfig } from '@gantry/shared/config';
import type { Linux } from '@gantry/shared/linux';
import type { Logger } from '@gantry/shared/logging';
import type { Family } from '../ipam/cidr';
import type { NetworkThread } from '../kernel/network-thread';
import type { NetworkRecord } from '../records/network-record';
import { ForeignForward } from './foreign-forward';
import type { ForeignChange, RulesetWatch } from './ruleset-watch';

const bridge = (link: string, ipv6 = false) =>
  ({ driver: 'bridge', link, ipv4: true, ipv6 }) as NetworkRecord;
const own = (chain: string, way: string, link: string) =>
  `-A ${chain} ${way} ${link} -m comment --comment "gantry:t" -j ACCEPT`;

/** What `-S` lists and what is given to the restore programs, by family. */
function hostWith(options: { dropped: Family[]; rules?: string[]; legacy?: Family[] }) {
  const changes: string[] = [];
  const warnings: string[] = [];
  let listings = 0;
  const run = async ([program = '']: string[], { stdin = '' }: { stdin?: string }) => {
    if (program.endsWith('-restore')) {
      const commands = stdin.split('\n').slice(1, -2);
      const through = program.includes('legacy') ? 'legacy: ' : '';
      changes.push(
        ...commands.map((command) => through + command.replace(' -m comment --comment gantry:t', '')),
      );
    } else listings++;
    return { code: 0, stdout: (options.rules ?? []).join('\n'), stderr: '' };
  };
  const legacyTables = (family: Family) => (options.legacy?.includes(family) ? ['filter'] : []);
  const linux = {
    processes: { run },
    host: { which: () => '/usr/sbin/x', legacyTables },
  } as unknown as Linux;
  const thread = { stack: { familiesDropped: async () => options.dropped } } as unknown as NetworkThread;
  const logger = { warn: (text: string) => warnings.push(text) } as unknown as Logger;
  let told: ForeignChange = () => undefined;
  const rulesets = {
    onForeignChange: (listener: ForeignChange) => (told = listener),
  } as unknown as RulesetWatch;
  const config = { instance: 't', nftTable: 'gantry-t' } as InstanceConfig;
  return {
    foreign: new ForeignForward(config, linux, logger, thread, rulesets),
    changes,
    warnings,
    listings: () => listings,
    tell: (...tables: string[]) => told(new Set(tables)),
  };
}

const DOCKERD = [
  '-P FORWARD DROP',
  '-N DOCKER-USER',
  '-A FORWARD -j DOCKER-USER',
  '-A DOCKER-USER -j RETURN',
];

describe('a new bridge', () => {
  it('gets what is missing for it in the chain that dockerd leaves to others', async () => {
    const { foreign, changes } = hostWith({
      dropped: [4],
      rules: [...DOCKERD, own('DOCKER-USER', '-o', 'br-n')],
    });
    await foreign.letPass(bridge('br-n'));
    expect(changes).toEqual(['-I DOCKER-USER -i br-n -j ACCEPT']);
  });

  it('is let pass in FORWARD itself where nothing jumps to that chain', async () => {
    const { foreign, changes } = hostWith({ dropped: [4], rules: ['-P FORWARD DROP', '-N DOCKER-USER'] });
    await foreign.letPass(bridge('br-n'));
    expect(changes).toEqual(['-I FORWARD -i br-n -j ACCEPT', '-I FORWARD -o br-n -j ACCEPT']);
  });

  it('is let pass for the families it has', async () => {
    const { foreign, changes } = hostWith({ dropped: [6], rules: ['-P FORWARD DROP'] });
    await foreign.letPass(bridge('br-n'));
    expect(changes).toEqual([]);
    await foreign.letPass(bridge('br-n', true));
    expect(changes).toHaveLength(2);
  });

  it('changes nothing where nothing is dropped', async () => {
    const { foreign, changes, listings } = hostWith({ dropped: [] });
    await foreign.letPass(bridge('br-n'));
    await foreign.forget(bridge('br-n'));
    expect([changes, listings()]).toEqual([[], 0]);
  });

  it('is said to be cut off, once, where it is not iptables that drops', async () => {
    const { foreign, warnings } = hostWith({ dropped: [4], rules: ['-P FORWARD ACCEPT'] });
    await foreign.letPass(bridge('br-n'));
    await foreign.letPass(bridge('br-n'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('br-n');
  });
});

describe('beside iptables-legacy', () => {
  it('is let pass where its policy drops, in its rules', async () => {
    const { foreign, changes } = hostWith({ dropped: [], legacy: [4], rules: DOCKERD });
    await foreign.letPass(bridge('br-n'));
    expect(changes).toEqual([
      'legacy: -I DOCKER-USER -i br-n -j ACCEPT',
      'legacy: -I DOCKER-USER -o br-n -j ACCEPT',
    ]);
  });

  it('does nothing where nothing is dropped', async () => {
    const { foreign, changes, warnings } = hostWith({
      dropped: [],
      legacy: [4, 6],
      rules: ['-P FORWARD ACCEPT'],
    });
    await foreign.letPass(bridge('br-n', true));
    expect([changes, warnings]).toEqual([[], []]);
  });
});

it('takes the rules of a removed network away, wherever they are', async () => {
  const rules = [...DOCKERD, own('FORWARD', '-i', 'br-n'), own('DOCKER-USER', '-i', 'br-n')];
  const { foreign, changes } = hostWith({
    dropped: [4],
    rules: [...rules, own('FORWARD', '-i', 'br-other')],
  });
  await foreign.letPass(bridge('br-n'));
  changes.length = 0;
  await foreign.forget(bridge('br-n'));
  expect(changes).toEqual(['-D FORWARD -i br-n -j ACCEPT', '-D DOCKER-USER -i br-n -j ACCEPT']);
});

describe('the watch', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('makes the rules those of the networks there are', async () => {
    const rules = [...DOCKERD, own('DOCKER-USER', '-i', 'br-gone'), own('DOCKER-USER', '-i', 'br-n')];
    const { foreign, changes } = hostWith({ dropped: [4], rules });
    foreign.watch(() => [bridge('br-n')]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(changes).toEqual(['-D DOCKER-USER -i br-gone -j ACCEPT', '-I DOCKER-USER -o br-n -j ACCEPT']);
  });

  it('looks at legacy rules again and again, for nobody tells of them', async () => {
    const options = { dropped: [] as Family[], legacy: [4 as const], rules: ['-P FORWARD ACCEPT'] };
    const { foreign, changes } = hostWith(options);
    foreign.watch(() => [bridge('br-n')]);
    await jest.advanceTimersByTimeAsync(1_000);
    options.rules = DOCKERD;
    await jest.advanceTimersByTimeAsync(5_000);
    expect(changes).toHaveLength(2);
    foreign.onApplicationShutdown();
  });

  it('looks again when another program has changed rules of its own', async () => {
    const { foreign, listings, tell } = hostWith({ dropped: [4], rules: DOCKERD });
    foreign.watch(() => []);
    await jest.advanceTimersByTimeAsync(1_000);
    tell('inet gantry-t');
    await jest.advanceTimersByTimeAsync(1_000);
    expect(listings()).toBe(1);
    tell('ip filter');
    tell('ip filter');
    await jest.advanceTimersByTimeAsync(1_000);
    expect(listings()).toBe(2);
  });
});
