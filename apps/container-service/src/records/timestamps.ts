import { nowNanos } from '@gantry/shared/events';

/** Now, as the API writes times: RFC 3339 in UTC with up to nine digits, trailing zeros cut as Go does. */
export function timestamp(nanos: bigint = nowNanos()): string {
  const seconds = nanos / 1_000_000_000n;
  const fraction = (nanos % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return fraction === '' ? `${whole}Z` : `${whole}.${fraction}Z`;
}

/** Milliseconds since the epoch; 0 for "never". */
export function millisOf(time: string): number {
  const millis = Date.parse(time);
  return Number.isNaN(millis) || millis < 0 ? 0 : millis;
}
