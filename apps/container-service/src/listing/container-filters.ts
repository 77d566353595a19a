import { invalidArgument, notFound } from '@gantry/shared/errors';
import { checkFilterNames, matchesLabels, booleanFilter, type FilterTerms } from '@gantry/shared/filters';
import type { ContainerRecord } from '../records/container-record';
import type { ContainerStore } from '../records/container-store';
import { portList } from './port-list';

const STATUSES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const HEALTHS = ['starting', 'healthy', 'unhealthy', 'none'];
const KNOWN = [
  'ancestor',
  'annotation',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'label!',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];

/** Ids of the images that an `ancestor` filter means. */
export type Ancestors = ReadonlySet<string>;

/**
 * Makes a test out of the `filters` of GET /containers/json.
 * @throws InvalidArgument, NotFound in Docker's words
 */
export function containerFilter(
  terms: FilterTerms,
  store: ContainerStore,
  ancestors: Ancestors,
): (record: ContainerRecord) => boolean {
  checkFilterNames(terms, KNOWN);
  checkValues(terms, 'status', STATUSES);
  checkValues(terms, 'health', HEALTHS);
  const exited = (terms.get('exited') ?? []).map(exitCode);
  const before = reference(terms, 'before', store);
  const since = reference(terms, 'since', store);
  const publish = new Set((terms.get('publish') ?? []).flatMap(portRange));
  const expose = new Set((terms.get('expose') ?? []).flatMap(portRange));
  const isTask = booleanFilter(terms, 'is-task');
  const tests: ((record: ContainerRecord) => boolean)[] = [
    (record) => matchesLabels(terms, record.config.Labels),
    matchesAnnotations(terms),
    anyOf(terms, 'id', (record, value) => record.id.startsWith(value)),
    anyOf(terms, 'name', (record, value) => nameMatches(record.name, value)),
    anyOf(terms, 'status', (record, value) => record.state.Status === value),
    anyOf(terms, 'health', (record, value) => (record.state.Health?.Status ?? 'none') === value),
    anyOf(terms, 'volume', hasMount),
    anyOf(terms, 'network', isOnNetwork),
    (record) => !terms.has('ancestor') || ancestors.has(record.imageId),
    (record) =>
      exited.length === 0 || (exited.includes(record.state.ExitCode) && record.state.Status === 'exited'),
    (record) => !before || record.created < before.created,
    (record) => !since || record.created > since.created,
    (record) =>
      publish.size + expose.size === 0 ||
      portList(record).some(
        ({ PublicPort = 0, PrivatePort, Type }) =>
          publish.has(`${PublicPort}/${Type}`) || expose.has(`${PrivatePort}/${Type}`),
      ),
    () => isTask !== true,
  ];
  return (record) => tests.every((test) => test(record));
}

/** All of them have to be there: `key`, or `key=value`. */
function matchesAnnotations(terms: FilterTerms): (record: ContainerRecord) => boolean {
  const wanted = new Map([['label', terms.get('annotation') ?? []]]);
  return (record) => matchesLabels(wanted, record.hostConfig.Annotations ?? {});
}

function anyOf(
  terms: FilterTerms,
  name: string,
  matches: (record: ContainerRecord, value: string) => boolean,
): (record: ContainerRecord) => boolean {
  const values = terms.get(name) ?? [];
  return (record) => values.length === 0 || values.some((value) => matches(record, value));
}

function checkValues(terms: FilterTerms, name: string, allowed: string[]): void {
  for (const value of terms.get(name) ?? []) {
    if (!allowed.includes(value)) throw invalidArgument(`invalid filter '${name}=${value}'`);
  }
}

function exitCode(value: string): number {
  if (!/^-?\d+$/.test(value)) throw invalidArgument(`invalid filter 'exited=${value}'`);
  return Number(value);
}

function reference(terms: FilterTerms, name: string, store: ContainerStore): ContainerRecord | undefined {
  const values = terms.get(name) ?? [];
  if (values.length > 1)
    throw invalidArgument(`invalid filter '${name}=[${values.join(' ')}]': only one value is allowed`);
  const [value] = values;
  if (value === undefined) return undefined;
  try {
    return store.resolve(value);
  } catch {
    throw notFound(`No such container: ${value}`);
  }
}

/** A regular expression that may match anywhere in the name, with or without its slash. */
function nameMatches(name: string, pattern: string): boolean {
  try {
    const expression = new RegExp(pattern);
    return expression.test(name) || expression.test(`/${name}`);
  } catch {
    return name.includes(pattern);
  }
}

function hasMount(record: ContainerRecord, value: string): boolean {
  return record.mounts.some(
    ({ Name, Source, Destination }) => (Name || Source) === value || Destination === value,
  );
}

function isOnNetwork(record: ContainerRecord, value: string): boolean {
  if (record.hostConfig.NetworkMode === value) return true;
  return Object.entries(record.networkSettings.Networks ?? record.endpoints).some(
    ([name, settings]) =>
      name === value || (settings.NetworkID ? settings.NetworkID.startsWith(value) : false),
  );
}

/** `80`, `80/udp`, `8000-8010/tcp`. */
function portRange(value: string): string[] {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/.exec(value);
  if (!match) throw invalidArgument(`invalid filter: invalid port: '${value}'`);
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  if (last < first || last > 65535) throw invalidArgument(`invalid filter: invalid port: '${value}'`);
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${match[3] ?? 'tcp'}`);
}
