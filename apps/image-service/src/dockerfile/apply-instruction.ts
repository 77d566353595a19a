import { posix } from 'node:path';
import { signalNumber } from '@gantry/shared/signals';
import type { HealthConfig, RuntimeConfig } from '../images/image-config';
import type { CommandLine, ConfigInstruction } from './dockerfile';
import { exposedPorts } from './exposed-ports';
import { goDuration, goQuoted, goQuotedList, goQuotedNumber } from './go-words';
import { SyntaxFailure } from './parse-failure';

/** What an instruction does to the image besides its files. */
export interface Applied {
  config: RuntimeConfig;
  /** As the classic builder writes it into the history after the shell and `#(nop) `. */
  comment: string;
  /** For who builds. */
  note?: string;
}

const DEFAULT_SHELL = ['/bin/sh', '-c'];

/** What runs a command in shell form. */
export function shellOf(config: RuntimeConfig): string[] {
  return config.Shell?.length ? config.Shell : DEFAULT_SHELL;
}

/** A command as it is run and as it stands in the image. */
export function wordsOf({ form, words }: CommandLine, config: RuntimeConfig): string[] {
  return form === 'exec' ? words : [...shellOf(config), ...words];
}

/**
 * Applies an instruction whose variables are put in; `config` stays as it is. `commandGiven`: the same Dockerfile, or list of
 * changes, has a CMD before: ENTRYPOINT takes an inherited one away. The author, MAINTAINER, is not in the configuration.
 * @throws SyntaxFailure as dockerd words it
 */
export function applyInstruction(
  config: RuntimeConfig,
  instruction: ConfigInstruction,
  commandGiven: boolean,
): Applied {
  switch (instruction.kind) {
    case 'env': {
      const comment = ['ENV', ...instruction.pairs.map(([name, value]) => `${name}=${value}`)].join(' ');
      return { config: { ...config, Env: withVariables(config.Env ?? [], instruction.pairs) }, comment };
    }
    case 'label': {
      const comment = ['LABEL', ...instruction.pairs.map(([name, value]) => `${name}=${value}`)].join(' ');
      const labels = { ...config.Labels, ...Object.fromEntries(instruction.pairs) };
      return { config: { ...config, Labels: labels }, comment };
    }
    case 'maintainer':
      return { config, comment: `MAINTAINER ${instruction.value}` };
    case 'workdir': {
      const path = workingDirectory(config.WorkingDir, instruction.value);
      return { config: { ...config, WorkingDir: path }, comment: `WORKDIR ${path}` };
    }
    case 'user':
      return { config: { ...config, User: instruction.value }, comment: `USER ${instruction.value}` };
    case 'stopsignal':
      checkSignal(instruction.value);
      return {
        config: { ...config, StopSignal: instruction.value },
        comment: `STOPSIGNAL ${instruction.value}`,
      };
    case 'volume':
      // An empty variable: the instruction itself was looked at when it was read.
      if (instruction.values.includes(''))
        throw new SyntaxFailure('VOLUME specified can not be an empty string');
      return {
        config: { ...config, Volumes: { ...config.Volumes, ...keys(instruction.values) } },
        comment: `VOLUME [${instruction.values.join(' ')}]`,
      };
    case 'expose': {
      const ports = keys(instruction.values.flatMap(exposedPorts));
      return {
        config: { ...config, ExposedPorts: { ...config.ExposedPorts, ...ports } },
        comment: `EXPOSE ${instruction.values.join(' ')}`,
      };
    }
    case 'shell':
      return {
        config: { ...config, Shell: instruction.values },
        comment: `SHELL [${instruction.values.join(' ')}]`,
      };
    case 'cmd': {
      const words = wordsOf(instruction.command, config);
      return { config: { ...config, Cmd: words }, comment: `CMD ${goQuotedList(words)}` };
    }
    case 'entrypoint': {
      const words = wordsOf(instruction.command, config);
      const changed: RuntimeConfig = { ...config, Entrypoint: words };
      if (!commandGiven) changed.Cmd = null;
      return { config: changed, comment: `ENTRYPOINT ${goQuotedList(words)}` };
    }
    case 'healthcheck':
      return withHealth(config, instruction.health);
    case 'onbuild':
      return {
        config: { ...config, OnBuild: [...(config.OnBuild ?? []), instruction.trigger] },
        comment: `ONBUILD ${instruction.trigger}`,
      };
  }
}

/** Sets variables where they stand, new ones at the end. */
export function withVariables(environment: readonly string[], pairs: readonly [string, string][]): string[] {
  const changed = [...environment];
  for (const [name, value] of pairs) {
    const at = changed.findIndex((entry) => entry.split('=', 1)[0] === name);
    changed.splice(at < 0 ? changed.length : at, 1, `${name}=${value}`);
  }
  return changed;
}

const keys = (names: readonly string[]): Record<string, object> =>
  Object.fromEntries(names.map((name) => [name, {}]));

/** An absolute path stays as it is written. */
function workingDirectory(current: string | undefined, path: string): string {
  if (path === '') throw new SyntaxFailure('cannot normalize nothing');
  return posix.resolve('/', current ?? '', path);
}

function checkSignal(signal: string): void {
  try {
    signalNumber(signal);
  } catch (error) {
    throw new SyntaxFailure(`Invalid signal: ${signal}`, { cause: error });
  }
}

function withHealth(config: RuntimeConfig, health: HealthConfig): Applied {
  const { Test: test = [], Interval, Timeout, StartPeriod, StartInterval, Retries = 0 } = health;
  const durations = [Interval, Timeout, StartPeriod, ...(StartInterval ? [StartInterval] : [])];
  const shown = durations.map((duration) => goQuoted(goDuration(duration ?? 0)));
  const earlier = config.Healthcheck?.Test;
  return {
    config: { ...config, Healthcheck: health },
    comment: `HEALTHCHECK &{${[goQuotedList(test), ...shown, goQuotedNumber(Retries)].join(' ')}}`,
    ...(earlier && { note: `Note: overriding previous HEALTHCHECK: [${earlier.join(' ')}]` }),
  };
}
