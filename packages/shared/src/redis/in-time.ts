import { within } from '../deadlines';

/** How long a Redis may keep silent before whoever waits for it is told: longer than one that starts again takes. Milliseconds. */
export const REDIS_SILENCE_MS = 20_000;

/**
 * What Redis answers, or an error in time: its commands wait for a Redis that is away without end (see `redisOptions`), and may
 * still be done when it is back.
 * @throws Unavailable
 */
export function inTime<T>(answer: Promise<T>): Promise<T> {
  return within(REDIS_SILENCE_MS, 'redis does not answer', answer);
}
