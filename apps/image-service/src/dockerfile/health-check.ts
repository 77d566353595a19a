import type { HealthConfig } from '../images/image-config';
import { readFlags } from './instruction-flags';
import { parseDuration } from './duration';
import { SyntaxFailure } from './parse-failure';
import { jsonList } from './words';

/** Nanoseconds. */
const SHORTEST = 1_000_000;

const DURATIONS = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
} as const;

/** @throws SyntaxFailure as dockerd words it */
export function healthOf({ flags, text }: { flags: string[]; text: string }): HealthConfig {
  const [, written = '', argument = ''] = /^(\S*)\s*([\s\S]*)$/.exec(text) ?? [];
  if (written === '') throw new SyntaxFailure('HEALTHCHECK requires at least one argument');
  const type = written.toUpperCase();
  if (type === 'NONE') {
    if (argument !== '') throw new SyntaxFailure('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  const given = readFlags(flags, {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  });
  if (type !== 'CMD') {
    throw new SyntaxFailure(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  }
  const words = jsonList(argument);
  if (argument === '' || words?.length === 0)
    throw new SyntaxFailure('Missing command after HEALTHCHECK CMD');
  const health: HealthConfig = { Test: words ? ['CMD', ...words] : ['CMD-SHELL', argument] };
  for (const [flag, key] of Object.entries(DURATIONS)) {
    const duration = durationOf(flag, given.text(flag));
    if (duration > 0) health[key] = duration;
  }
  const retries = retriesOf(given.text('retries'));
  if (retries > 0) health.Retries = retries;
  return health;
}

function durationOf(flag: string, text: string): number {
  if (text === '') return 0;
  const duration = parseDuration(text);
  if (duration !== 0 && duration < SHORTEST) {
    throw new SyntaxFailure(`Interval ${JSON.stringify(flag)} cannot be less than 1ms`);
  }
  return duration;
}

function retriesOf(text: string): number {
  if (text === '') return 0;
  if (!/^[+-]?\d+$/.test(text)) {
    throw new SyntaxFailure(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  const retries = Number(text);
  if (retries > 0x7fffffff) {
    throw new SyntaxFailure(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  }
  if (retries < 0) throw new SyntaxFailure(`--retries cannot be negative (${retries})`);
  return retries;
}
