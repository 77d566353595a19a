import { wallClock } from './wall-clock';

describe('wallClock', () => {
  let wall = 1_700_000_000_000;
  let elapsed = 5_000;
  const now = wallClock(
    () => Math.floor(wall),
    () => elapsed,
  );
  const pass = (ms: number) => {
    wall += ms;
    elapsed += ms;
  };

  it('goes with the finer clock, and never gives a time twice', () => {
    expect(now()).toBe(1_700_000_000_000_000_000n);
    expect(now()).toBe(1_700_000_000_000_000_001n);
    pass(0.25);
    expect(now()).toBe(1_700_000_000_000_250_000n);
  });

  it.each([
    ['after the host was suspended', 8 * 3_600_000],
    ['when its clock is set back', -3_600_000],
  ])('follows the host %s', (_when, jump) => {
    wall += jump;
    pass(1);
    expect(Number(now() / 1_000_000n)).toBe(Math.floor(wall));
    pass(1);
    expect(Number(now() / 1_000_000n)).toBe(Math.floor(wall));
  });
});
