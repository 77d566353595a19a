import type { Logger } from '@gantry/shared/logging';
import type { IpamService } from '../ipam/ipam.service';
import type { NetworkThread } from '../kernel/network-thread';
import { SandboxReaper } from './sandbox-reaper';

/** A network thread whose drops end when the test says so. */
function reaperWithThread() {
  const drops: { paths: string[]; end: (error?: Error) => void }[] = [];
  const dropSandboxes = (paths: string[]) =>
    new Promise<void>((resolve, reject) => {
      drops.push({ paths, end: (error) => (error ? reject(error) : resolve()) });
    });
  const thread = { stack: { dropSandboxes, goneLinks: async () => [] } } as unknown as NetworkThread;
  const logger = { error: () => {} } as unknown as Logger;
  return { drops, reaper: new SandboxReaper(logger, thread, {} as IpamService) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => jest.useFakeTimers({ doNotFake: ['setImmediate'] }));
afterEach(() => jest.useRealTimers());

it('a place is clear only when what is being dropped there is gone', async () => {
  const { drops, reaper } = reaperWithThread();
  reaper.add({ paths: ['a'], addresses: [] });
  jest.runOnlyPendingTimers();
  expect(drops.map(({ paths }) => paths)).toEqual([['a']]);
  let clear = false;
  const clearing = reaper.clear('a').then(() => (clear = true));
  await settled();
  expect(clear).toBe(false);
  drops[0]?.end();
  await clearing;
  expect(drops).toHaveLength(1);
});

it('what could not be dropped is tried again, the others of its batch too', async () => {
  const { drops, reaper } = reaperWithThread();
  reaper.add({ paths: ['a', 'b'], addresses: [] });
  jest.runOnlyPendingTimers();
  drops[0]?.end(new Error('EBUSY'));
  await settled();
  jest.runOnlyPendingTimers();
  expect(drops[1]?.paths).toEqual(['a', 'b']);
});
