import { unavailable } from '../errors';

/** How long a Redis may keep silent before whoever waits for it is told: longer than one that starts again takes. Milliseconds. */
export const REDIS_SILENCE_MS = 20_000;

/**
 * What Redis answers, or an error in time: its commands wait for a Redis that is away without end (see `redisOptions`), and may
 * still be done when it is back.
 * @throws Unavailable
 */
export async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(unavailable('redis does not answer')), REDIS_SILENCE_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
