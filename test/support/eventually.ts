import { setTimeout as sleep } from 'node:timers/promises';
import { SLOWNESS } from './slowness';

/** Tries `check` every 20 ms until it returns without throwing. @throws its last error after `limit` milliseconds. */
export async function eventually<T>(check: () => T | Promise<T>, limit = 10_000): Promise<T> {
  const end = Date.now() + limit * SLOWNESS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(20);
    }
  }
}
