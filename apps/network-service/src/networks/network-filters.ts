import { invalidArgument } from '@gantry/shared/errors';
import { booleanFilter, checkFilterNames, type FilterTerms, matchesLabels } from '@gantry/shared/filters';
import { isPredefined, type NetworkRecord } from '../records/network-record';

const LIST_FILTERS = ['driver', 'type', 'name', 'id', 'label', 'scope', 'dangling'];
const PRUNE_FILTERS = ['label', 'label!', 'until'];
const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** `GET /networks`. @throws InvalidArgument in dockerd's words */
export function filterNetworks(
  networks: readonly NetworkRecord[],
  terms: FilterTerms,
  isUsed: (network: NetworkRecord) => boolean,
): NetworkRecord[] {
  checkFilterNames(terms, LIST_FILTERS);
  const dangling = booleanFilter(terms, 'dangling');
  for (const type of terms.get('type') ?? []) {
    if (type !== 'builtin' && type !== 'custom') throw invalidArgument(`invalid filter: 'type'='${type}'`);
  }
  const any = (name: string, matches: (value: string) => boolean): boolean =>
    terms.get(name)?.some(matches) ?? true;
  return networks.filter(
    (network) =>
      any('driver', (driver) => network.driver === driver) &&
      any('name', (name) => matchesPattern(network.name, name)) &&
      any('id', (id) => matchesPattern(network.id, id)) &&
      any('scope', (scope) => scope === 'local') &&
      any('type', (type) => (type === 'builtin') === isPredefined(network.name)) &&
      matchesLabels(terms, network.labels) &&
      (dangling === undefined || dangling === (!isPredefined(network.name) && !isUsed(network))),
  );
}

/** `POST /networks/prune`: which of the networks the filters allow to remove. @throws InvalidArgument */
export function prunable(
  networks: readonly NetworkRecord[],
  terms: FilterTerms,
  nowMs: number,
): NetworkRecord[] {
  checkFilterNames(terms, PRUNE_FILTERS);
  const until = terms.get('until');
  if (until && until.length > 1) throw invalidArgument('more than one until filter specified');
  const before = until?.[0] === undefined ? Infinity : parseUntil(until[0], nowMs);
  return networks.filter(
    (network) =>
      !isPredefined(network.name) &&
      Date.parse(network.created) < before &&
      matchesLabels(terms, network.labels),
  );
}

/** A Go duration before now, seconds since the epoch, or a date. Milliseconds since the epoch. @throws InvalidArgument */
export function parseUntil(text: string, nowMs: number): number {
  if (/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
    return (
      nowMs - parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNIT_MS[unit ?? ''] ?? 0), 0)
    );
  }
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000;
  const date = Date.parse(text);
  if (Number.isNaN(date)) throw invalidArgument(`invalid filter 'until=${text}'`);
  return date;
}

/** Docker takes the value as a regular expression, and as a plain part of the name where it is none. */
function matchesPattern(value: string, pattern: string): boolean {
  if (value.includes(pattern)) return true;
  try {
    return new RegExp(pattern).test(value);
  } catch {
    return false;
  }
}
