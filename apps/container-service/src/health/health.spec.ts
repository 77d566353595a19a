import type { Health } from '../records/api-documents';
import { goDuration, healthCheckOf, type HealthCheck } from './health-config';
import { applyResult, nextCheck, startingHealth } from './health-state';

const check: HealthCheck = {
  command: ['true'],
  interval: 1000,
  timeout: 1000,
  startPeriod: 500,
  startInterval: 100,
  retries: 2,
};
const result = (ExitCode: number) => ({ Start: '', End: '', ExitCode, Output: '' });

describe('healthCheckOf', () => {
  it('fills in defaults and knows the forms of Test', () => {
    expect(healthCheckOf({ Healthcheck: { Test: ['CMD', 'a', 'b'] } })).toEqual({
      command: ['a', 'b'],
      interval: 30_000,
      timeout: 30_000,
      startPeriod: 0,
      startInterval: 5_000,
      retries: 3,
    });
    expect(healthCheckOf({ Healthcheck: { Test: ['CMD-SHELL', 'x y'] } })?.command).toEqual([
      '/bin/sh',
      '-c',
      'x y',
    ]);
    expect(
      healthCheckOf({ Healthcheck: { Test: ['CMD-SHELL', 'x'] }, Shell: ['/ash', '-ec'] })?.command,
    ).toEqual(['/ash', '-ec', 'x']);
    expect(healthCheckOf({ Healthcheck: { Test: ['CMD', 'a'], Interval: 3e8, Retries: 2 } })).toMatchObject({
      interval: 300,
      retries: 2,
    });
  });

  it('does not check less often at the start than later, where nothing is said of the start', () => {
    const startInterval = (more: object) =>
      healthCheckOf({ Healthcheck: { Test: ['CMD', 'a'], StartPeriod: 1e10, ...more } })?.startInterval;
    expect(startInterval({ Interval: 1e9 })).toBe(1000);
    expect(startInterval({ Interval: 6e10 })).toBe(5000);
    expect(startInterval({ Interval: 1e9, StartInterval: 2e9 })).toBe(2000);
  });

  it('waits as long as a timer can where a check is to come once a month', () => {
    const month = 31 * 24 * 3600 * 1e9;
    expect(healthCheckOf({ Healthcheck: { Test: ['CMD', 'a'], Interval: month } })?.interval).toBe(
      0x7fffffff,
    );
  });

  it.each([[undefined], [[]], [['NONE']], [['CMD-SHELL']]])('%j is none', (Test) =>
    expect(healthCheckOf({ Healthcheck: { Test } })).toBeUndefined(),
  );
});

describe('health', () => {
  it('is unhealthy after `retries` failures in a row, healthy after one success', () => {
    const health = startingHealth();
    expect(applyResult(health, result(1), check, 600)).toBe(false);
    expect(applyResult(health, result(1), check, 700)).toBe(true);
    expect(health).toMatchObject({ Status: 'unhealthy', FailingStreak: 2 });
    expect(applyResult(health, result(0), check, 800)).toBe(true);
    expect(health).toMatchObject({ Status: 'healthy', FailingStreak: 0 });
  });

  it('forgives failures in the start period, and checks more often in it', () => {
    const health = startingHealth();
    expect(nextCheck(check, health, 100)).toBe(100);
    for (let round = 0; round < 3; round++) applyResult(health, result(1), check, 100);
    expect(health).toMatchObject({ Status: 'starting', FailingStreak: 0 });
    applyResult(health, result(0), check, 200);
    expect(nextCheck(check, health, 300)).toBe(1000);
    applyResult(health, result(1), check, 300);
    expect(health).toMatchObject({ Status: 'healthy', FailingStreak: 1 });
  });

  it('keeps five results', () => {
    const health: Health = startingHealth();
    for (let code = 0; code < 8; code++) applyResult(health, result(code), check, 600);
    expect(health.Log?.map(({ ExitCode }) => ExitCode)).toEqual([3, 4, 5, 6, 7]);
  });
});

it.each([
  [400, '400ms'],
  [1500, '1.5s'],
  [30_000, '30s'],
  [120_000, '2m0s'],
  [3_630_000, '1h0m30s'],
])('goDuration(%d) is %s', (ms, text) => expect(goDuration(ms)).toBe(text));
