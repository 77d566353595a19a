/** How many look at their logs, one after the other, before everything else has its time again. */
const AT_ONCE = 16;
/** For how long it has it. Milliseconds. */
const PAUSE_MS = 5;

const waiting: (() => void)[] = [];
let scheduled = false;

/**
 * Resolves when it is the caller's turn to look for output: in the next turn of the event loop, or, where many wait, some milliseconds
 * later. Looking blocks, every piece that is found costs the gateway as much again, and whoever finds something looks again: a
 * thousand who did so at each line would leave no time to take the next line or to answer anybody. What comes while one waits is
 * found by one look.
 */
export function outputTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (!scheduled) setImmediate(admit);
    scheduled = true;
  });
}

function admit(): void {
  for (const resolve of waiting.splice(0, AT_ONCE)) resolve();
  scheduled = waiting.length > 0;
  if (scheduled) setTimeout(admit, PAUSE_MS);
}
