import { invalidArgument } from '@gantry/shared/errors';
import type { ContainerRecord } from '../records/container-record';

/** How much of a container's output is kept. */
export interface LogCap {
  /** Bytes after which the file is rotated; absent: never. */
  maxSize?: number;
  /** Files kept, the one being written included. */
  maxFiles: number;
}

const UNITS: Record<string, number> = { '': 1, b: 1, k: 1 << 10, m: 1 << 20, g: 1 << 30, t: 2 ** 40 };
const COMMON_OPTIONS = ['labels', 'labels-regex', 'env', 'env-regex', 'tag', 'mode', 'max-buffer-size'];
const FILE_OPTIONS = ['max-size', 'max-file', 'compress'];

/** What `docker run --log-driver` may name, and the options each driver knows. */
const DRIVERS: Record<string, string[]> = {
  'json-file': [...FILE_OPTIONS, ...COMMON_OPTIONS],
  local: [...FILE_OPTIONS, ...COMMON_OPTIONS],
  none: [],
};

/**
 * The cap of a container's log. Docker's defaults: `json-file` grows without end, `local` keeps five files of 20 MiB.
 * Call it at create as well: it refuses what cannot be honoured.
 *
 * @throws InvalidArgument in dockerd's words
 */
export function logCapOf(config: { Type: string; Config?: Record<string, string> | null }): LogCap {
  const driver = config.Type || 'json-file';
  const options = config.Config ?? {};
  const known = DRIVERS[driver];
  if (!known) throw invalidArgument(`logger: no log driver named '${driver}' is registered`);
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw invalidArgument(`unknown log opt '${name}' for ${driver} log driver`);
  }
  if (options['compress'] === 'true')
    throw invalidArgument(`log opt 'compress' is not supported for the ${driver} log driver`);
  if (options['mode'] && options['mode'] !== 'blocking')
    throw invalidArgument(`logger: log mode '${options['mode']}' is not supported`);
  const maxSize = options['max-size']
    ? parseSize(options['max-size'])
    : driver === 'local'
      ? 20 << 20
      : undefined;
  const maxFiles = options['max-file'] ? parseCount(options['max-file']) : driver === 'local' ? 5 : 1;
  if (driver === 'json-file' && maxSize === undefined && maxFiles > 1)
    throw invalidArgument("max-file must be 1 when max-size isn't set");
  return { maxSize, maxFiles };
}

/** What `docker logs --details` puts before each line: the labels and variables the log options ask for. */
export function logDetails(record: ContainerRecord): string {
  const options = record.hostConfig.LogConfig.Config ?? {};
  const environment = Object.fromEntries(
    (record.config.Env ?? []).map((entry) => {
      const equals = entry.indexOf('=');
      return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  ) as Record<string, string>;
  const chosen: Record<string, string> = {
    ...choose(record.config.Labels ?? {}, options['labels'], options['labels-regex']),
    ...choose(environment, options['env'], options['env-regex']),
    ...(options['tag'] === undefined ? {} : { tag: expandTag(options['tag'], record) }),
  };
  return Object.keys(chosen)
    .sort()
    .map((key) => `${encodeURIComponent(key)}=${encodeURIComponent(chosen[key] ?? '')}`)
    .join(',');
}

function choose(all: Record<string, string>, names = '', pattern = ''): Record<string, string> {
  const wanted = names.split(',').filter(Boolean);
  const matches = pattern === '' ? undefined : new RegExp(pattern);
  return Object.fromEntries(
    Object.entries(all).filter(([key]) => wanted.includes(key) || matches?.test(key)),
  );
}

/** The fields of Docker's log tag templates. */
function expandTag(template: string, record: ContainerRecord): string {
  const fields: Record<string, string> = {
    ID: record.id.slice(0, 12),
    FullID: record.id,
    Name: record.name,
    ImageID: record.imageId.replace('sha256:', '').slice(0, 12),
    ImageFullID: record.imageId,
    ImageName: record.config.Image,
    DaemonName: 'docker',
  };
  return template.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) => fields[field] ?? whole);
}

function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgt]?)i?b?$/i.exec(text) ?? [];
  const size = number === undefined ? NaN : Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? NaN));
  if (!(size > 0)) throw invalidArgument(`invalid value for max-size: ${text}`);
  return size;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text)) throw invalidArgument(`strconv.Atoi: parsing "${text}": invalid syntax`);
  if (count < 1) throw invalidArgument('max-file cannot be less than 1');
  return count;
}
