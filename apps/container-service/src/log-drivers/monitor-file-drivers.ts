import { invalidArgument } from '@gantry/shared/errors';
import type { LogDriver } from './log-driver';
import { type LogOptions, parseBool, parseInteger, parseSize, prefixed } from './option-values';

/** How much the monitor's own files may hold. */
export interface MonitorLogCap {
  /** Bytes after which the file is rotated. */
  maxSize: number;
  /** Files kept, the one being written included; Infinity: whoever reads them takes them away. */
  maxFiles: number;
  /** Whether rotated ones are compressed. */
  compress: boolean;
}

const DEFAULT_SIZE = 20 * 1024 * 1024;
const DEFAULT_FILES = 5;
const LOCAL_OPTIONS = ['max-size', 'max-file', 'compress'];

/** The default: what the monitor writes, capped. */
export const localDriver: LogDriver = {
  check(options) {
    for (const name of Object.keys(options)) {
      if (!LOCAL_OPTIONS.includes(name))
        throw invalidArgument(`unknown log opt '${name}' for log driver local`);
    }
    localCap(options);
  },
};

export const noneDriver: LogDriver = {
  check(options) {
    if (Object.keys(options).length > 0) throw invalidArgument('invalid logging opts for driver none');
  },
};

/**
 * dockerd's defaults, but for compression: it costs a second of CPU for every 30 MB, and this is the default driver. Here
 * it is for who asks. @throws InvalidArgument in dockerd's words
 */
export function localCap(options: LogOptions): MonitorLogCap {
  const size = options['max-size'];
  const count = options['max-file'];
  const maxSize =
    size === undefined
      ? DEFAULT_SIZE
      : prefixed(`invalid value for max-size: ${size}: `, () => parseSize(size, 1024));
  const maxFiles =
    count === undefined
      ? DEFAULT_FILES
      : prefixed(`invalid value for max-file: ${count}: `, () => parseInteger(count));
  const asked = options['compress'];
  const compress =
    asked !== undefined && prefixed('error reading compress log option: ', () => parseBool(asked));
  if (compress && maxFiles <= 1) {
    throw invalidArgument('compression cannot be enabled when max file count is 1');
  }
  if (maxFiles < 1) throw invalidArgument(`invalid value for max-file: ${maxFiles}: must be at least 1`);
  return { maxSize: maxSize || DEFAULT_SIZE, maxFiles, compress };
}

const SPOOL_SIZE = 8 * 1024 * 1024;

/** For a driver that takes all of it elsewhere at once. */
export const SPOOL: MonitorLogCap = { maxSize: SPOOL_SIZE, maxFiles: Infinity, compress: false };

/** For a driver whose lines `docker logs` cannot read from where they went: dockerd's cache of them (`cache-*`). */
export function cacheCap(options: LogOptions): MonitorLogCap {
  const local = Object.fromEntries(
    LOCAL_OPTIONS.flatMap((name) => {
      const value = options[`cache-${name}`];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  return cacheDisabled(options) ? { maxSize: SPOOL_SIZE, maxFiles: 2, compress: false } : localCap(local);
}

/** @throws InvalidArgument in dockerd's words */
export function cacheDisabled(options: LogOptions): boolean {
  const disabled = options['cache-disabled'];
  if (disabled === undefined) return false;
  try {
    return parseBool(disabled);
  } catch {
    throw invalidArgument(`invalid value for option cache-disabled: ${disabled}`);
  }
}
