import { invalidArgument } from '@gantry/shared/errors';
import type { BuildJob, BuildLimits } from '@gantry/shared/queue';
import type { QueryParameters } from '../routing/query-parameters';

export type BuildOptions = Omit<BuildJob, 'uploadId' | 'credentialsId' | 'dockerfileId'>;

/** API `outputs`: what BuildKit is to do with the result. */
export interface BuildOutput {
  Type: string;
  Attrs?: Record<string, string> | null;
}

/** Whether BuildKit is asked for: the classic builder is version 1, which is also what a client means that says nothing. */
export function isForBuildKit(query: QueryParameters): boolean {
  const version = query.text('version');
  if (!['', '1', '2'].includes(version)) throw invalidArgument(`invalid version ${JSON.stringify(version)}`);
  return version === '2';
}

/** API: the query parameters of ImageBuild. @throws InvalidArgument in dockerd's words, NotImplemented */
export function buildOptions(query: QueryParameters): BuildOptions {
  const isolation = query.text('isolation');
  if (!['', 'default'].includes(isolation)) {
    throw invalidArgument(`Unsupported isolation: ${JSON.stringify(isolation)}`);
  }
  if (query.list('securityopt').some((option) => !['', 'null', '[]'].includes(option))) {
    throw invalidArgument('The daemon on this platform does not support setting security options on build');
  }
  return {
    remote: query.text('remote'),
    dockerfile: query.text('dockerfile') || 'Dockerfile',
    names: query.list('t').filter((name) => name !== ''),
    arguments: argumentsOf(query),
    labels: stringsOf(query, 'labels'),
    target: query.text('target'),
    platform: query.text('platform'),
    noCache: query.flag('nocache'),
    noCacheStages: [],
    pull: query.flag('pull'),
    quiet: query.flag('q'),
    removesContainers: query.flag('rm', true) || query.flag('forcerm'),
    squash: query.flag('squash'),
    cacheFrom: cacheFrom(query),
    cacheImports: [],
    cacheExports: [],
    contexts: {},
    networkMode: query.text('networkmode'),
    extraHosts: query.list('extrahosts').flatMap((hosts) => hosts.split(/[, ]/).filter(Boolean)),
    limits: limitsOf(query),
  };
}

/** @throws InvalidArgument for what is no list of outputs, as dockerd words it */
export function outputsOf(query: QueryParameters): BuildOutput[] {
  const given = json<unknown>(query, 'outputs') ?? [];
  if (Array.isArray(given) && given.every((one) => isMapOf(one, () => true))) return given as BuildOutput[];
  throw invalidArgument(
    'invalid outputs specified: json: cannot unmarshal into Go value of type []types.ImageBuildOutput',
  );
}

function limitsOf(query: QueryParameters): BuildLimits {
  return {
    memory: bytes(query, 'memory'),
    memorySwap: bytes(query, 'memswap'),
    cpuShares: bytes(query, 'cpushares'),
    cpuPeriod: bytes(query, 'cpuperiod'),
    cpuQuota: bytes(query, 'cpuquota'),
    cpusetCpus: query.text('cpusetcpus'),
    cpusetMems: query.text('cpusetmems'),
    cgroupParent: cgroupParentOf(query.text('cgroupparent')),
    shmSize: bytes(query, 'shmsize'),
    ulimits: json<BuildLimits['ulimits'] | null>(query, 'ulimits') ?? [],
  };
}

/** @throws InvalidArgument for a path that leads out */
export function cgroupParentOf(path: string): string {
  if (path.split('/').includes('..') || path.includes('\0'))
    throw invalidArgument(`invalid cgroup parent: ${path}`);
  return path === '' || path.startsWith('/') ? path : `/${path}`;
}

/** dockerd takes what is no number for none. */
function bytes(query: QueryParameters, name: string): number {
  const value = query.text(name);
  return /^[+-]?\d+$/.test(value) ? Number(value) : 0;
}

function argumentsOf(query: QueryParameters): Record<string, string | null> {
  const given = json<unknown>(query, 'buildargs') ?? {};
  if (!isMapOf(given, (value) => value === null || typeof value === 'string')) {
    throw invalidArgument('error reading build args: json: cannot unmarshal into Go value of type map');
  }
  return given as Record<string, string | null>;
}

function stringsOf(query: QueryParameters, name: string): Record<string, string> {
  const given = json<unknown>(query, name) ?? {};
  if (!isMapOf(given, (value) => typeof value === 'string')) {
    throw invalidArgument(`error reading ${name}: json: cannot unmarshal into Go value of type map`);
  }
  return given as Record<string, string>;
}

function cacheFrom(query: QueryParameters): string[] {
  const given = json<unknown>(query, 'cachefrom') ?? [];
  if (Array.isArray(given) && given.every((name) => typeof name === 'string')) return given as string[];
  throw invalidArgument('error reading cache-from: json: cannot unmarshal into Go value of type []string');
}

function json<T>(query: QueryParameters, name: string): T | undefined {
  const text = query.text(name);
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw invalidArgument(`error reading ${name}: ${text} is no JSON`, error);
  }
}

function isMapOf(given: unknown, isValue: (value: unknown) => boolean): boolean {
  return (
    typeof given === 'object' &&
    given !== null &&
    !Array.isArray(given) &&
    Object.values(given).every(isValue)
  );
}
