import { SyntaxFailure } from './parse-failure';

/** Nanoseconds. */
const UNITS: Record<string, number> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const DURATION = new RegExp(`^([+-]?)((?:${PART.source})+)$`);

/** Go's durations, `1m30s`, in nanoseconds. @throws SyntaxFailure */
export function parseDuration(text: string): number {
  if (/^[+-]?0$/.test(text)) return 0;
  const [, sign, parts] = DURATION.exec(text) ?? [];
  if (parts === undefined) throw new SyntaxFailure(`time: invalid duration ${JSON.stringify(text)}`);
  let total = 0;
  for (const [, amount, unit] of parts.matchAll(PART)) total += Number(amount) * (UNITS[unit ?? ''] ?? 0);
  return Math.round(sign === '-' ? -total : total);
}
