import type { UsageRecord } from '@gantry/proto/buildkit';
import { invalidArgument } from '@gantry/shared/errors';

type Matches = (record: UsageRecord) => boolean;

/** What a record of the cache is asked for (BuildKit, cache/manager: adaptUsageInfo). true and false stand for being set. */
const FIELDS: Readonly<Record<string, (record: UsageRecord) => string | boolean>> = {
  id: ({ id }) => id,
  parents: ({ parents }) => parents.join(';'),
  description: ({ description }) => description,
  type: ({ recordType }) => recordType,
  inuse: ({ inUse }) => inUse,
  mutable: ({ mutable }) => mutable,
  immutable: ({ mutable }) => !mutable,
  shared: ({ shared }) => shared,
  private: ({ shared }) => !shared,
};
const CONDITION = /^(?<name>[a-z]+)(?:(?<operator>==|!=|~=)(?<value>.*))?$/s;

/**
 * The filters of BuildKit's clients (containerd's syntax): one of `filters` has to match, all conditions of one. None: all match.
 * @throws InvalidArgument for what is none
 */
export function matcherOf(filters: string[]): Matches {
  const given = filters.filter((filter) => filter !== '').map(conditionsOf);
  if (given.length === 0) return () => true;
  return (record) => given.some((conditions) => conditions.every((matches) => matches(record)));
}

function conditionsOf(filter: string): Matches[] {
  return filter.split(',').map((text) => {
    const { name = '', operator, value = '' } = CONDITION.exec(text)?.groups ?? {};
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    if (!field) throw invalidArgument(`failed to parse prune filters [${filter}]`);
    return conditionOf(field, operator, unquoted(value));
  });
}

function conditionOf(
  field: (record: UsageRecord) => string | boolean,
  operator: string | undefined,
  value: string,
): Matches {
  // A flag that is not set is no field, and has no value.
  const text = (record: UsageRecord) => (typeof field(record) === 'string' ? String(field(record)) : '');
  if (operator === '==') return (record) => text(record) === value;
  if (operator === '!=') return (record) => text(record) !== value;
  if (operator === '~=') {
    const pattern = patternOf(value);
    return (record) => pattern.test(text(record));
  }
  return (record) => field(record) !== false && field(record) !== '';
}

function patternOf(value: string): RegExp {
  try {
    return new RegExp(value);
  } catch (error) {
    throw invalidArgument(`invalid regular expression in a filter: ${value}`, error);
  }
}

const unquoted = (value: string): string => value.replace(/^"(.*)"$/s, '$1');
