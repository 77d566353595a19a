import { z } from 'zod';
import { flagSetting, listSetting, mapSetting, readSettings, SettingError } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { checkLogConfig, DEFAULT_LOG_OPTIONS_DRIVER, type LogDefaults } from '../log-drivers/log-drivers';
import { parseSize } from '../log-drivers/option-values';
import type { Ulimit } from '../records/api-documents';
import { rlimits } from '../spec/resources';

/** DI token of the ContainerDefaults. */
export const CONTAINER_DEFAULTS = Symbol('ContainerDefaults');

/** What a container has that does not say otherwise: dockerd's settings of the same names. */
export interface ContainerDefaults {
  log: LogDefaults;
  ulimits: Ulimit[];
  /** Bytes. */
  shmSize: number;
  /** undefined: as the version of the host's cgroups has it. */
  cgroupnsMode?: 'host' | 'private';
  ipcMode: 'private' | 'shareable';
  init: boolean;
  noNewPrivileges: boolean;
}

const environment = z.object({
  GANTRY_LOG_DRIVER: z.string().optional(),
  GANTRY_LOG_OPTS: mapSetting,
  GANTRY_DEFAULT_ULIMITS: listSetting,
  GANTRY_DEFAULT_SHM_SIZE: z.string().optional(),
  GANTRY_DEFAULT_CGROUPNS_MODE: z.string().optional(),
  GANTRY_DEFAULT_IPC_MODE: z.string().optional(),
  GANTRY_INIT: flagSetting(false),
  GANTRY_NO_NEW_PRIVILEGES: flagSetting(false),
});

/** @throws SettingError that names the variable which is wrong, in dockerd's words */
export function loadContainerDefaults(env: NodeJS.ProcessEnv = process.env): ContainerDefaults {
  const e = readSettings(environment, env);
  return {
    log: named('GANTRY_LOG_OPTS', () => logDefaults(e.GANTRY_LOG_DRIVER || undefined, e.GANTRY_LOG_OPTS)),
    ulimits: named('GANTRY_DEFAULT_ULIMITS', () => e.GANTRY_DEFAULT_ULIMITS.map(ulimit)),
    shmSize: named('GANTRY_DEFAULT_SHM_SIZE', () => parseSize(e.GANTRY_DEFAULT_SHM_SIZE || '64m', 1024)),
    cgroupnsMode: oneOf(
      e.GANTRY_DEFAULT_CGROUPNS_MODE || undefined,
      ['host', 'private'],
      (mode) => `invalid default cgroup namespace (${mode}): use "host" or "private"`,
    ),
    ipcMode:
      oneOf(
        e.GANTRY_DEFAULT_IPC_MODE || undefined,
        ['private', 'shareable'],
        (mode) => `default IPC mode setting (${mode}) is invalid; use "shareable" or "private"`,
      ) ?? 'private',
    init: e.GANTRY_INIT,
    noNewPrivileges: e.GANTRY_NO_NEW_PRIVILEGES,
  };
}

function logDefaults(driver: string | undefined, options: Record<string, string>): LogDefaults {
  const byDefault = driver ?? (Object.keys(options).length > 0 ? DEFAULT_LOG_OPTIONS_DRIVER : undefined);
  if (byDefault !== undefined) checkLogConfig({ Type: byDefault, Config: options });
  return { driver: byDefault, options };
}

/** As dockerd's `--default-ulimit`: `name=soft[:hard]`. */
function ulimit(text: string): Ulimit {
  const [, Name = '', soft = '', hard = soft] = /^([^=]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (Name === '') throw new Error(`invalid ulimit argument: ${text}`);
  const limit = { Name, Soft: Number(soft), Hard: Number(hard) };
  rlimits([limit]);
  return limit;
}

function oneOf<T extends string>(
  value: string | undefined,
  known: readonly T[],
  refused: (value: string) => string,
): T | undefined {
  if (value === undefined) return undefined;
  const found = known.find((each) => each === value);
  if (!found) throw new SettingError(refused(value));
  return found;
}

function named<T>(variable: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new SettingError(`${variable}: ${messageOf(error)}`, { cause: error });
  }
}
