import type { ContainerRecord } from '../records/container-record';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { expandTag } from './log-tag';
import type { LogOptions } from './option-values';

/** The options that choose what a line is marked with. */
export const ATTRIBUTE_OPTIONS = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];

/** The labels and variables that the log options ask for; the tag too where one is given. */
export function logAttributes(record: ContainerRecord): Record<string, string> {
  const options = record.hostConfig.LogConfig.Config ?? {};
  return {
    ...extraAttributes(record),
    ...(options['tag'] ? { tag: expandTag(options['tag'], record) } : {}),
  };
}

/** The labels and variables that the log options ask for. `name` changes a key to what a driver takes for one. */
export function extraAttributes(
  record: ContainerRecord,
  name: (key: string) => string = (key) => key,
): Record<string, string> {
  const options = record.hostConfig.LogConfig.Config ?? {};
  const environment = Object.fromEntries(
    (record.config.Env ?? [])
      .filter((entry) => entry.includes('='))
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  ) as Record<string, string>;
  const chosen = [
    ...choose(record.config.Labels ?? {}, options['labels'], options['labels-regex']),
    ...choose(environment, options['env'], options['env-regex']),
  ];
  return Object.fromEntries(chosen.map(([key, value]) => [name(key), value]));
}

/** What `docker logs --details` puts before each line. */
export function detailsText(attributes: Record<string, string>): string {
  return Object.keys(attributes)
    .sort()
    .map((key) => `${encodeURIComponent(key)}=${encodeURIComponent(attributes[key] ?? '')}`)
    .join(',');
}

/** @throws InvalidArgument for a regular expression that is none */
export function checkAttributeOptions(options: LogOptions): void {
  for (const option of ['labels-regex', 'env-regex']) pattern(options[option]);
}

function choose(all: Record<string, string>, names = '', expression = ''): [string, string][] {
  const wanted = names.split(',').filter(Boolean);
  const matches = pattern(expression);
  return Object.entries(all).filter(([key]) => wanted.includes(key) || matches?.test(key));
}

function pattern(expression = ''): RegExp | undefined {
  try {
    return expression === '' ? undefined : new RegExp(expression);
  } catch (error) {
    throw invalidArgument(`error parsing regexp: ${fault(messageOf(error))}: \`${expression}\``);
  }
}

/** What Go says of it. */
function fault(message: string): string {
  if (message.includes('character class')) return 'missing closing ]';
  if (message.includes('group')) return 'missing closing )';
  return message.includes('repeat') ? 'missing argument to repetition operator' : 'invalid expression';
}
