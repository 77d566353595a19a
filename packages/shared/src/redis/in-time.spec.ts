import { inTime, REDIS_SILENCE_MS } from './in-time';

describe('an answer of Redis', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('is what it is', async () => {
    expect(await inTime(Promise.resolve(7))).toBe(7);
    await expect(inTime(Promise.reject(new Error('READONLY')))).rejects.toThrow('READONLY');
    expect(jest.getTimerCount()).toBe(0);
  });

  it('that does not come is an error', async () => {
    const error = expect(inTime(new Promise(() => {}))).rejects.toMatchObject({
      kind: 'Unavailable',
      message: 'redis does not answer',
    });
    await jest.advanceTimersByTimeAsync(REDIS_SILENCE_MS);
    await error;
  });
});
