import { endedBySignal, restartDelay, wantsRestart, wantsStartAtBoot } from './restart-policy';

const policy = (Name: string, MaximumRetryCount = 0) => ({ Name, MaximumRetryCount });
const end = { exitCode: 1, ran: 0, stoppedByUser: false, restarts: 0 };

describe('restart policy', () => {
  it.each([
    ['no', 1, 0, false],
    ['always', 0, 9, true],
    ['unless-stopped', 0, 9, true],
    ['on-failure', 0, 0, false],
    ['on-failure', 5, 1, true],
    ['on-failure', 5, 2, false],
  ])('%s after exit code %i and %i restarts: %s', (name, exitCode, restarts, wanted) => {
    const max = name === 'on-failure' ? 2 : 0;
    expect(wantsRestart(policy(name, max), { ...end, exitCode, restarts })).toBe(wanted);
  });

  it('never restarts what a person stopped', () => {
    expect(wantsRestart(policy('always'), { ...end, stoppedByUser: true })).toBe(false);
  });

  it('a boot starts `always`, and `unless-stopped` unless it was', () => {
    const stopped = { ...end, stoppedByUser: true };
    expect(wantsStartAtBoot(policy('always'), stopped)).toBe(true);
    expect(wantsStartAtBoot(policy('unless-stopped'), stopped)).toBe(false);
    expect(wantsStartAtBoot(policy('unless-stopped'), end)).toBe(true);
  });

  it('a boot starts what failed, or ended with the host, while the policy would have', () => {
    expect(wantsStartAtBoot(policy('on-failure'), { ...end, exitCode: 255 })).toBe(true);
    expect(wantsStartAtBoot(policy('on-failure', 2), { ...end, restarts: 1 })).toBe(true);
    expect(wantsStartAtBoot(policy('on-failure', 2), { ...end, restarts: 2 })).toBe(false);
    expect(wantsStartAtBoot(policy('on-failure'), { ...end, exitCode: 0 })).toBe(false);
    expect(wantsStartAtBoot(policy('on-failure'), { ...end, stoppedByUser: true })).toBe(false);
    expect(wantsStartAtBoot(policy('no'), end)).toBe(false);
  });

  it('a signal that the container has outlived did not end it', () => {
    expect(endedBySignal({}, 20_000)).toBe(false);
    expect(endedBySignal({ signalledAt: 15_000 }, 20_000)).toBe(true);
    expect(endedBySignal({ signalledAt: 10_000 }, 20_000)).toBe(false);
  });

  it('doubles the delay up to a minute and begins anew after a good run', () => {
    expect([0, 100, 40_000, 60_000].map((previous) => restartDelay(previous, 0))).toEqual([
      100, 200, 60_000, 60_000,
    ]);
    expect(restartDelay(60_000, 10_000)).toBe(100);
  });
});
