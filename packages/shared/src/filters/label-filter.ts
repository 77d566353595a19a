import { invalidArgument } from '../errors';

/** A parsed `filters` parameter: a name and the values given for it. */
export type FilterTerms = ReadonlyMap<string, readonly string[]>;

/** From the proto message. */
export function filterTerms(
  filters: { terms: Record<string, { values: string[] }> } | undefined,
): FilterTerms {
  return new Map(Object.entries(filters?.terms ?? {}).map(([name, list]) => [name, list.values]));
}

/** @throws InvalidArgument in Docker's words for a name that is not in `known`. */
export function checkFilterNames(terms: FilterTerms, known: readonly string[]): void {
  for (const name of terms.keys()) {
    if (!known.includes(name)) throw invalidArgument(`invalid filter '${name}'`);
  }
}

/** `label=key`, `label=key=value`: all have to match; `label!=...`: none may. */
export function matchesLabels(
  terms: FilterTerms,
  labels: Readonly<Record<string, string>> | null | undefined,
): boolean {
  const has = (wanted: string): boolean => {
    const equals = wanted.indexOf('=');
    const key = equals < 0 ? wanted : wanted.slice(0, equals);
    const value = labels?.[key];
    return value !== undefined && (equals < 0 || value === wanted.slice(equals + 1));
  };
  return (terms.get('label') ?? []).every(has) && !(terms.get('label!') ?? []).some(has);
}

/** A boolean filter such as `dangling`. @throws InvalidArgument in Docker's words. */
export function booleanFilter(terms: FilterTerms, name: string): boolean | undefined {
  const values = terms.get(name);
  if (!values || values.length === 0) return undefined;
  const yes = values.some((value) => ['1', 'true', 'True', 'TRUE', 't', 'T'].includes(value));
  const no = values.some((value) => ['0', 'false', 'False', 'FALSE', 'f', 'F'].includes(value));
  if (yes === no) throw invalidArgument(`invalid filter '${name}=[${values.join(' ')}]'`);
  return yes;
}
