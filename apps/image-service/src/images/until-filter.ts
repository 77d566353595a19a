import { invalidArgument } from '@gantry/shared/errors';
import { parseDuration } from '../dockerfile/duration';

/**
 * A moment as Docker's `until` takes it: seconds since the epoch, a date with or without time and zone, or a duration
 * back from now (`10m`). Milliseconds since the epoch.
 */
export function parseUntil(text: string, now = Date.now()): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const hasZone = /(Z|[+-]\d{2}:\d{2})$/.test(text.slice(10));
    const parsed = Date.parse(text.length > 10 || hasZone ? text : `${text}T00:00:00`);
    if (!Number.isNaN(parsed)) return parsed;
  }
  try {
    return now - parseDuration(text) / 1e6;
  } catch (error) {
    throw invalidArgument(`failed to parse value as time or duration: ${JSON.stringify(text)}`, error);
  }
}
