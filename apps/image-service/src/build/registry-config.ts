import { invalidArgument } from '@gantry/shared/errors';
import type { RegistryCredentials } from '../registry/registry';

/** The header X-Registry-Config: credentials by registry. */
export type RegistryConfig = ReadonlyMap<string, RegistryCredentials>;

const DOCKER_HUB = 'docker.io';
/** What clients call Docker Hub in their configuration. */
const HUB_NAMES = ['https://index.docker.io/v1/', 'index.docker.io', DOCKER_HUB];

/** Empty, or `null` as Go writes a map that is not there: nobody's. @throws InvalidArgument */
export function parseRegistryConfig(header: string): RegistryConfig {
  if (header === '') return new Map();
  try {
    const document: unknown = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
    if (typeof document !== 'object') throw new Error('not an object');
    return new Map(Object.entries((document ?? {}) as Record<string, RegistryCredentials>));
  } catch (error) {
    throw invalidArgument('invalid X-Registry-Config header: invalid JSON', error);
  }
}

/** For a canonical repository: `docker.io/library/busybox`. */
export function credentialsFor(config: RegistryConfig, repository: string): RegistryCredentials | undefined {
  const registry = repository.slice(0, repository.indexOf('/'));
  const names = registry === DOCKER_HUB ? HUB_NAMES : [registry, `https://${registry}`, `http://${registry}`];
  return names.map((name) => config.get(name)).find((found) => found !== undefined);
}
