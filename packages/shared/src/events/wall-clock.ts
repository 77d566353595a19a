/** How far the finer clock may be from that of the host. Milliseconds. */
const TOLERANCE_MS = 20;

const nanosOf = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n;

/**
 * Nanoseconds since the epoch, never the same twice, so that events keep their order. `wallMs` is the host's clock, in whole
 * milliseconds; `elapsedMs` a finer one that stands still while the host is suspended and does not hear when its clock is set;
 * `originMs` the time at its zero.
 */
export function wallClock(
  wallMs: () => number,
  elapsedMs: () => number,
  originMs = wallMs() - elapsedMs(),
): () => bigint {
  let last = 0n;
  return () => {
    const wall = wallMs();
    const elapsed = elapsedMs();
    if (Math.abs(originMs + elapsed - wall) > TOLERANCE_MS) {
      originMs = wall - elapsed;
      last = 0n; // back, too, where the host went back
    }
    const now = nanosOf(originMs + elapsed);
    last = now > last ? now : last + 1n;
    return last;
  };
}
