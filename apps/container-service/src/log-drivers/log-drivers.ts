import { invalidArgument } from '@gantry/shared/errors';
import { fluentdDriver } from './fluentd/fluentd-driver';
import { gelfDriver } from './gelf/gelf-driver';
import { journaldDriver } from './journald/journald-driver';
import { jsonFileDriver } from './json-file/json-file-driver';
import type { LogDriver } from './log-driver';
import {
  cacheCap,
  cacheDisabled,
  localCap,
  localDriver,
  type MonitorLogCap,
  noneDriver,
  SPOOL,
} from './monitor-file-drivers';
import { type LogOptions, parseSize, prefixed } from './option-values';
import { syslogDriver } from './syslog/syslog-driver';

/** API: HostConfig.LogConfig. */
export interface LogConfig {
  Type: string;
  Config?: LogOptions | null;
}

const drivers: Record<string, LogDriver> = {
  fluentd: fluentdDriver,
  gelf: gelfDriver,
  journald: journaldDriver,
  'json-file': jsonFileDriver,
  local: localDriver,
  none: noneDriver,
  syslog: syslogDriver,
};

export const DEFAULT_LOG_DRIVER = 'local';
/** Where there are options and no driver: dockerd's default, which they are written for. */
export const DEFAULT_LOG_OPTIONS_DRIVER = 'json-file';

/** Of containers that do not say: what `log-driver` and `log-opts` of the engine do. */
export interface LogDefaults {
  /** undefined: nothing is set. */
  driver?: string;
  options: LogOptions;
}

/** The drivers of API: PluginsInfo.Log. */
export const LOG_DRIVERS = Object.keys(drivers).filter((name) => name !== 'none');

const CACHE_OPTIONS = ['cache-disabled', 'cache-max-size', 'cache-max-file', 'cache-compress'];
/** dockerd's own; every driver takes them. */
const GENERAL_OPTIONS = ['mode', 'max-buffer-size', ...CACHE_OPTIONS];
const DEFAULT_BUFFER = 1024 * 1024;

/** The driver and options of a container: the engine's options go with the engine's driver. */
export function chosenLogConfig(
  given: Partial<LogConfig> | null | undefined,
  defaults: LogDefaults = { options: {} },
): { Type: string; Config: LogOptions } {
  const own = given?.Config ?? {};
  const unset = Object.keys(own).length > 0 ? DEFAULT_LOG_OPTIONS_DRIVER : DEFAULT_LOG_DRIVER;
  const Type = given?.Type || defaults.driver || unset;
  return { Type, Config: Type === defaults.driver ? { ...defaults.options, ...own } : own };
}

/** @throws InvalidArgument in dockerd's words for what cannot be honoured */
export function checkLogConfig(config: LogConfig): void {
  const driver = drivers[config.Type];
  if (!driver)
    throw invalidArgument(
      `error looking up logging plugin ${config.Type}: plugin "${config.Type}" not found`,
    );
  const options = config.Config ?? {};
  if (config.Type !== 'none') {
    bufferOf(options);
    if (!cacheDisabled(options)) cacheCap(options);
  }
  driver.check(ownOptions(config));
}

export const driverOf = (config: LogConfig): LogDriver | undefined => drivers[config.Type];

/** The options that are the driver's own business. */
export function ownOptions({ Type, Config }: LogConfig): LogOptions {
  return Object.fromEntries(
    Object.entries(Config ?? {}).filter(([name]) => Type === 'none' || !GENERAL_OPTIONS.includes(name)),
  );
}

/** Of the monitor's own files. */
export function monitorLogCap(config: LogConfig): MonitorLogCap {
  const options = config.Config ?? {};
  if (config.Type === 'local') return localCap(ownOptions(config));
  return config.Type === 'json-file' ? SPOOL : cacheCap(options);
}

export const canBeRead = (config: LogConfig): boolean =>
  config.Type !== 'none' &&
  (['local', 'json-file'].includes(config.Type) || !cacheDisabled(config.Config ?? {}));

/** With `mode=non-blocking`: how many bytes may wait for the driver; Infinity otherwise. */
export function bufferOf(options: LogOptions): number {
  const { mode = 'blocking' } = options;
  const size = options['max-buffer-size'];
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw invalidArgument(`logger: logging mode not supported: ${mode}`);
  }
  if (size === undefined) return mode === 'non-blocking' ? DEFAULT_BUFFER : Infinity;
  if (mode !== 'non-blocking') {
    throw invalidArgument("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  return prefixed('error parsing option max-buffer-size: ', () => parseSize(size, 1024));
}
