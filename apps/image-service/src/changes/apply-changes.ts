import { posix } from 'node:path';
import { invalidArgument } from '@gantry/shared/errors';
import type { HealthConfig, RuntimeConfig } from '../images/image-config';
import { parseDuration } from './duration';
import { splitWords, unquote } from './words';

type Apply = (config: RuntimeConfig, text: string, state: { cmdSet: boolean }) => void;

/** The Dockerfile instructions that commit and import take (Docker API, ContainerCommit `changes`). */
const INSTRUCTIONS: Record<string, Apply> = {
  CMD: (config, text, state) => {
    config.Cmd = command(text, config);
    state.cmdSet = true;
  },
  ENTRYPOINT: (config, text, state) => {
    config.Entrypoint = command(text, config);
    if (!state.cmdSet) config.Cmd = null;
  },
  ENV: (config, text) => {
    for (const [name, value] of pairs('ENV', text, config)) {
      const others = (config.Env ?? []).filter((entry) => !entry.startsWith(`${name}=`));
      const at = (config.Env ?? []).findIndex((entry) => entry.startsWith(`${name}=`));
      others.splice(at < 0 ? others.length : at, 0, `${name}=${value}`);
      config.Env = others;
    }
  },
  LABEL: (config, text) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs('LABEL', text, config)) };
  },
  EXPOSE: (config, text) => {
    const ports = words(text, config).flatMap(exposedPorts);
    if (ports.length === 0) throw requires('EXPOSE', 'at least one argument');
    config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
  },
  VOLUME: (config, text) => {
    const paths = jsonList(text) ?? words(text, config);
    if (paths.length === 0) throw requires('VOLUME', 'at least one argument');
    if (paths.includes('')) throw invalidArgument('VOLUME specified can not be an empty string');
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  USER: (config, text) => {
    config.User = single('USER', text, config);
  },
  WORKDIR: (config, text) => {
    const path = single('WORKDIR', text, config);
    config.WorkingDir = posix.resolve('/', config.WorkingDir ?? '', path);
  },
  STOPSIGNAL: (config, text) => {
    config.StopSignal = single('STOPSIGNAL', text, config);
  },
  ONBUILD: (config, text) => {
    const trigger = /^\w+/.exec(text)?.[0].toUpperCase();
    if (!trigger) throw requires('ONBUILD', 'at least one argument');
    if (trigger === 'ONBUILD') throw invalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger === 'MAINTAINER' || trigger === 'FROM') {
      throw invalidArgument(`${trigger} isn't allowed as an ONBUILD trigger`);
    }
    config.OnBuild = [...(config.OnBuild ?? []), text];
  },
  HEALTHCHECK: (config, text) => {
    config.Healthcheck = healthcheck(text);
  },
};

const OTHER_INSTRUCTIONS = ['ADD', 'ARG', 'COPY', 'FROM', 'MAINTAINER', 'RUN', 'SHELL'];

/** A copy of `config` with the instructions applied. @throws InvalidArgument as dockerd words it. */
export function applyChanges(config: RuntimeConfig, changes: string[]): RuntimeConfig {
  const changed = structuredClone(config);
  const state = { cmdSet: false };
  for (const line of changes.flatMap((change) => change.split('\n'))) {
    const match = /^\s*(\S+)(?:\s+([\s\S]*?))?\s*$/.exec(line);
    if (!match || line.trim().startsWith('#')) continue;
    const name = (match[1] ?? '').toUpperCase();
    const apply = INSTRUCTIONS[name];
    if (!apply) {
      throw invalidArgument(
        OTHER_INSTRUCTIONS.includes(name)
          ? `${name} is not a valid change command`
          : `unknown instruction: ${name}`,
      );
    }
    apply(changed, match[2] ?? '', state);
  }
  return changed;
}

const requires = (name: string, what: string) => invalidArgument(`${name} requires ${what}`);

function environmentOf(config: RuntimeConfig): Map<string, string> {
  return new Map(
    (config.Env ?? []).map((entry) => {
      const equals = entry.indexOf('=');
      return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
    }),
  );
}

/** `["a", "b"]`, or undefined for anything that is not a JSON list of strings. */
function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((item) => typeof item === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}

function command(text: string, config: RuntimeConfig): string[] {
  const list = jsonList(text);
  if (list) return list;
  return text === '' ? [] : [...(config.Shell ?? ['/bin/sh', '-c']), text];
}

function words(text: string, config: RuntimeConfig): string[] {
  const environment = environmentOf(config);
  return splitWords(text).map((word) => unquote(word, environment));
}

function single(name: string, text: string, config: RuntimeConfig): string {
  if (text === '') throw requires(name, 'exactly one argument');
  return unquote(text, environmentOf(config));
}

/** `a=b c="d e"`, or the old `a the rest`. */
function pairs(name: string, text: string, config: RuntimeConfig): [string, string][] {
  const environment = environmentOf(config);
  const parts = splitWords(text);
  if (parts.length === 0) throw requires(name, 'at least one argument');
  if (!parts[0]?.includes('=')) {
    const match = /^(\S+)\s+([\s\S]+)$/.exec(text);
    if (!match) throw invalidArgument(`${name} must have two arguments`);
    return [[match[1] ?? '', unquote(match[2] ?? '', environment)]];
  }
  return parts.map((part) => {
    const equals = part.indexOf('=');
    if (equals < 0)
      throw invalidArgument(
        `Syntax error - can't find = in ${JSON.stringify(part)}. Must be of the form: name=value`,
      );
    const key = unquote(part.slice(0, equals), environment);
    if (key === '') throw invalidArgument(`${name} names can not be blank`);
    return [key, unquote(part.slice(equals + 1), environment)];
  });
}

/** `80`, `80/udp`, `8000-8002` as `80/tcp` and so on. */
function exposedPorts(text: string): string[] {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (!match || first < 1 || last > 65535 || last < first) {
    throw invalidArgument(`invalid containerPort: ${text}`);
  }
  const protocol = (match[3] ?? 'tcp').toLowerCase();
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}

function healthcheck(text: string): HealthConfig {
  const options: Record<string, string> = {};
  let rest = text;
  for (let match; (match = /^--([a-z-]+)=(\S+)\s+/.exec(rest)); rest = rest.slice(match[0].length)) {
    options[match[1] ?? ''] = match[2] ?? '';
  }
  const [, type = '', argument = ''] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
  if (type.toUpperCase() === 'NONE') return { Test: ['NONE'] };
  if (type.toUpperCase() !== 'CMD')
    throw invalidArgument(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (argument === '') throw invalidArgument('Missing command after HEALTHCHECK CMD');
  const list = jsonList(argument);
  const health: HealthConfig = { Test: list ? ['CMD', ...list] : ['CMD-SHELL', argument] };
  for (const [option, value] of Object.entries(options)) setHealthOption(health, option, value);
  return health;
}

function setHealthOption(health: HealthConfig, option: string, value: string): void {
  if (option === 'interval') health.Interval = parseDuration(value);
  else if (option === 'timeout') health.Timeout = parseDuration(value);
  else if (option === 'start-period') health.StartPeriod = parseDuration(value);
  else if (option === 'start-interval') health.StartInterval = parseDuration(value);
  else if (option === 'retries') {
    if (!/^\d+$/.test(value)) throw invalidArgument(`--retries must be at least 0 (not ${value})`);
    health.Retries = Number(value);
  } else throw invalidArgument(`unknown flag: ${option}`);
}
