import { setImmediate } from 'node:timers/promises';

/** How long requests may have to wait behind work of this thread. Milliseconds. */
const SLICE_MS = 5;

/** Lets others have the thread now and then, where work comes in small pieces that never wait. */
export class Breath {
  private since = performance.now();

  async take(): Promise<void> {
    if (performance.now() - this.since < SLICE_MS) return;
    await setImmediate();
    this.since = performance.now();
  }
}
