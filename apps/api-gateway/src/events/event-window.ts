import { invalidArgument } from '@gantry/shared/errors';

/** The stretch of time that GET /events asks for. Nanoseconds since the epoch. */
export interface EventWindow {
  since: bigint;
  until?: bigint;
  /** Whether all of it has gone by: then the answer ends after what was kept. */
  past: boolean;
}

/**
 * `since` and `until` as the API has them: `seconds[.fraction]`, and RFC 3339 as well. Without either, what comes from
 * now on; with `until` alone, all that was kept. @throws InvalidArgument in Docker's words.
 */
export function eventWindow(since: string, until: string, now: bigint): EventWindow {
  const from = parseInstant(since);
  const to = parseInstant(until);
  if (from !== undefined && to !== undefined && to < from) {
    throw invalidArgument(`\`since\` time (${since}) cannot be after \`until\` time (${until})`);
  }
  return {
    since: from ?? (to === undefined ? now : 0n),
    until: to,
    past: to !== undefined && to <= now,
  };
}

function parseInstant(text: string): bigint | undefined {
  if (text === '') return undefined;
  const number = /^(\d+)(?:\.(\d{0,9})\d*)?$/.exec(text);
  if (number) return BigInt(number[1] ?? 0) * 1_000_000_000n + BigInt((number[2] ?? '').padEnd(9, '0'));
  const milliseconds = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(milliseconds)) {
    throw invalidArgument(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  return BigInt(milliseconds) * 1_000_000n;
}
