import type { InstanceConfig } from '@gantry/shared/config';
import type { Linux } from '@gantry/shared/linux';
import type { Logger } from '@gantry/shared/logging';
import type { NetworkThread } from '../kernel/network-thread';
import type { NetworkRecord } from '../records/network-record';
import { DockerUserChain } from './docker-user';
import type { ForeignChange, RulesetWatch } from './ruleset-watch';

const bridge = { driver: 'bridge', link: 'br-n' } as NetworkRecord;

function chainWith(options: { drops: boolean; present?: string[] }) {
  const commands: string[] = [];
  const warnings: string[] = [];
  const run = async (argv: string[]) => {
    const command = argv.slice(3).join(' ').replace(' -m comment --comment gantry:t', '');
    commands.push(command);
    const listed = options.present && ['-N DOCKER-USER', ...options.present, '-A DOCKER-USER -j RETURN', ''];
    return { code: listed || !command.startsWith('-S') ? 0 : 1, stdout: listed?.join('\n') ?? '' };
  };
  const linux = { processes: { run }, host: { which: () => '/usr/sbin/iptables' } } as unknown as Linux;
  const thread = { stack: { othersDropForwarded: async () => options.drops } } as unknown as NetworkThread;
  const logger = { warn: (text: string) => warnings.push(text) } as unknown as Logger;
  let told: ForeignChange = () => undefined;
  const rulesets = {
    onForeignChange: (listener: ForeignChange) => (told = listener),
  } as unknown as RulesetWatch;
  const config = { instance: 't', nftTable: 'gantry-t' } as InstanceConfig;
  const chain = new DockerUserChain(config, linux, logger, thread, rulesets);
  return { chain, commands, warnings, tell: (...tables: string[]) => told(new Set(tables)) };
}

it('adds what is missing for our bridges, where a dockerd drops the unknown', async () => {
  const present = ['-A DOCKER-USER -o br-n -m comment --comment "gantry:t" -j ACCEPT'];
  const { chain, commands } = chainWith({ drops: true, present });
  await chain.letPass([bridge]);
  expect(commands.filter((command) => command.startsWith('-I'))).toEqual([
    '-I DOCKER-USER -i br-n -j ACCEPT',
  ]);
});

it('leaves the rules of others alone where they drop nothing', async () => {
  const { chain, commands } = chainWith({ drops: false, present: [] });
  await chain.letPass([bridge]);
  await chain.forget(bridge);
  expect(commands).toEqual([]);
});

it('says so once where there is nothing to be done', async () => {
  const { chain, warnings } = chainWith({ drops: true });
  await chain.letPass([bridge]);
  await chain.letPass([bridge]);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('br-n');
});

it('takes the rules of a removed network away', async () => {
  const { chain, commands } = chainWith({ drops: true, present: [] });
  await chain.forget(bridge);
  expect(commands).toEqual(['-D DOCKER-USER -i br-n -j ACCEPT', '-D DOCKER-USER -o br-n -j ACCEPT']);
});

it('looks again when another program has changed rules of its own', async () => {
  const { chain, commands, tell } = chainWith({ drops: true, present: [] });
  jest.useFakeTimers();
  chain.watch(() => []);
  await jest.advanceTimersByTimeAsync(1_000);
  tell('inet gantry-t');
  await jest.advanceTimersByTimeAsync(1_000);
  expect(commands).toHaveLength(1);
  tell('ip filter');
  tell('ip filter');
  await jest.advanceTimersByTimeAsync(1_000);
  expect(commands).toHaveLength(2);
  jest.useRealTimers();
});
