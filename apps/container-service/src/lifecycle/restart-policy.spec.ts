import { restartDelay, wantsRestart, wantsStartAtBoot } from './restart-policy';

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
    expect(wantsStartAtBoot(policy('always'), 0, true)).toBe(true);
    expect(wantsStartAtBoot(policy('unless-stopped'), 0, true)).toBe(false);
    expect(wantsStartAtBoot(policy('unless-stopped'), 0, false)).toBe(true);
  });

  it('doubles the delay up to a minute and begins anew after a good run', () => {
    expect([0, 100, 40_000, 60_000].map((previous) => restartDelay(previous, 0))).toEqual([
      100, 200, 60_000, 60_000,
    ]);
    expect(restartDelay(60_000, 10_000)).toBe(100);
  });
});
