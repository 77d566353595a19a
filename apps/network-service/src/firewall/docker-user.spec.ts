import type { InstanceConfig } from '@gantry/shared/config';
import type { Linux } from '@gantry/shared/linux';
import type { Logger } from '@gantry/shared/logging';
import type { NetworkThread } from '../kernel/network-thread';
import type { NetworkRecord } from '../records/network-record';
import { DockerUserChain } from './docker-user';

const bridge = { driver: 'bridge', link: 'br-n' } as NetworkRecord;

function chainWith(options: { drops: boolean; present: string[] }) {
  const commands: string[] = [];
  const warnings: string[] = [];
  const run = async (argv: string[]) => {
    const command = argv.slice(3).join(' ').replace(' -m comment --comment gantry:t', '');
    commands.push(command);
    const asks = /^-(n|C)/.test(command);
    return { code: asks && !options.present.includes(command) ? 1 : 0 };
  };
  const linux = { processes: { run }, host: { which: () => '/usr/sbin/iptables' } } as unknown as Linux;
  const thread = { stack: { othersDropForwarded: async () => options.drops } } as unknown as NetworkThread;
  const logger = { warn: (text: string) => warnings.push(text) } as unknown as Logger;
  const chain = new DockerUserChain({ instance: 't' } as InstanceConfig, linux, logger, thread);
  return { chain, commands, warnings };
}

it('adds what is missing for our bridges, where a dockerd drops the unknown', async () => {
  const present = ['-n -L DOCKER-USER', '-C DOCKER-USER -o br-n -j ACCEPT'];
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
  const { chain, warnings } = chainWith({ drops: true, present: [] });
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
