import { createLinux } from '@gantry/shared/linux';
import { Canceled, RunningJobs, Stopping } from './running-jobs';
import { isDeadWorker, workerName } from './worker-name';

/** What Redis says of every job, and which jobs were cancelled. */
class FakeWatch {
  watchers = 1;
  canceled = false;
  readonly told: string[] = [];

  async state() {
    return { watchers: this.watchers, canceled: this.canceled };
  }
  async cancel(jobId: string) {
    this.told.push(jobId);
  }
}

describe('running jobs', () => {
  let watch: FakeWatch;
  let jobs: RunningJobs;
  beforeEach(() => {
    watch = new FakeWatch();
    jobs = new RunningJobs(watch);
  });
  afterEach(() => jest.restoreAllMocks());

  const untilAborted = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('broke off')));
    });
  const begun = async (id: string) => {
    const running = jobs.use(id, untilAborted);
    running.catch(() => {});
    await jobs.look(id);
    return { running };
  };

  it('give back what the work gives, and its error', async () => {
    expect(await jobs.use('a', async () => 7)).toBe(7);
    await expect(jobs.use('a', () => Promise.reject(new Error('full')))).rejects.toThrow('full');
    expect(jobs.ids()).toEqual([]);
  });

  it('end as cancelled, whatever the work makes of it', async () => {
    const { running } = await begun('a');
    expect(jobs.has('a')).toBe(true);
    jobs.cancel('a');
    await expect(running).rejects.toEqual(new Canceled());
    expect(new Canceled().message).toBe('context canceled');
  });

  it('are not begun when they were cancelled while they waited', async () => {
    watch.canceled = true;
    const work = jest.fn();
    await expect(jobs.use('a', work)).rejects.toBeInstanceOf(Canceled);
    expect(work).not.toHaveBeenCalled();
  });

  it('end when nobody has watched them for a while', async () => {
    const clock = jest.spyOn(performance, 'now').mockReturnValue(0);
    const { running } = await begun('a');
    const lookAt = async (time: number, watchers: number) => {
      clock.mockReturnValue(time);
      watch.watchers = watchers;
      await jobs.look('a');
    };
    await lookAt(1_000, 0);
    await lookAt(5_900, 0);
    // Somebody came back.
    await lookAt(6_000, 1);
    await lookAt(7_000, 0);
    await lookAt(11_900, 0);
    expect(watch.told).toEqual([]);
    await lookAt(12_000, 0);
    expect(watch.told).toEqual(['a']);
    await expect(running).rejects.toBeInstanceOf(Canceled);
  });

  it('are left to another worker when this one stops', async () => {
    const both = [await begun('a'), await begun('b')];
    jobs.stopAll();
    for (const { running } of both) await expect(running).rejects.toBeInstanceOf(Stopping);
  });
});

describe('the name of a worker', () => {
  const linux = createLinux();
  const parts = workerName(linux).split('/');
  const named = (changed: Partial<Record<0 | 1 | 2 | 3, string>>) =>
    parts.map((part, index) => changed[index as 0] ?? part).join('/');

  it.each([
    ['its own', named({}), false],
    ['of a pid that was given to another process', named({ 3: '1' }), true],
    ['of a pid that is nobody', named({ 2: '4194305' }), true],
    ['of before the last boot', named({ 0: 'another-boot' }), true],
    ['of a process that cannot be seen from here', named({ 1: 'pid:[1]', 2: '4194305' }), false],
    ['unknown', undefined, false],
    ['something else', 'worker', false],
  ])('%s', (_, name, isDead) => expect(isDeadWorker(linux, name)).toBe(isDead));
});
