import { booleanFilter, checkFilterNames, matchesLabels, type FilterTerms } from '@gantry/shared/filters';
import { ANONYMOUS_LABEL, type Volume } from './volume';

/** API: VolumeList. @throws InvalidArgument for a filter it does not know. */
export function listFilter(terms: FilterTerms): (volume: Volume) => boolean {
  checkFilterNames(terms, ['dangling', 'driver', 'label', 'name']);
  const dangling = booleanFilter(terms, 'dangling');
  const drivers = terms.get('driver') ?? [];
  const names = (terms.get('name') ?? []).map(nameMatcher);
  return ({ record, users }) =>
    (dangling === undefined || dangling === (users.size === 0)) &&
    (drivers.length === 0 || drivers.includes(record.driver)) &&
    (names.length === 0 || names.some((matches) => matches(record.name))) &&
    matchesLabels(terms, record.labels);
}

/** API: VolumePrune. Without `all` only volumes that nobody named. @throws InvalidArgument */
export function pruneFilter(terms: FilterTerms): (volume: Volume) => boolean {
  checkFilterNames(terms, ['all', 'label', 'label!']);
  const all = booleanFilter(terms, 'all') ?? false;
  return ({ record, users }) =>
    users.size === 0 && (all || ANONYMOUS_LABEL in record.labels) && matchesLabels(terms, record.labels);
}

/** A part of the name or a regular expression. */
function nameMatcher(wanted: string): (name: string) => boolean {
  try {
    const pattern = new RegExp(wanted);
    return (name) => name === wanted || pattern.test(name);
  } catch {
    return (name) => name.includes(wanted);
  }
}
