import { join } from 'node:path';
import type { InstanceConfig } from '@gantry/shared/config';

/** Where this service keeps what, below the data root. */
export interface NetworkPaths {
  /** `<container id>` is the container's namespace, `<container id>.json` its record. */
  sandboxes: string;
  /** `<network id>.json` */
  networks: string;
  /** Namespaces that no container has yet. */
  pool: string;
}

export function networkPaths(config: InstanceConfig): NetworkPaths {
  const sandboxes = join(config.dataRoot, 'network');
  return { sandboxes, networks: join(sandboxes, 'networks'), pool: join(sandboxes, 'pool') };
}

/** How many ready namespaces to keep: GANTRY_NETNS_POOL, 8 by default; each is 0.1 MB of the kernel's memory. */
export function poolSize(env: NodeJS.ProcessEnv = process.env): number {
  const size = Number(env['GANTRY_NETNS_POOL'] ?? 8);
  if (!Number.isInteger(size) || size < 0 || size > 128) {
    throw new Error('GANTRY_NETNS_POOL has to be a number from 0 to 128');
  }
  return size;
}

/** GANTRY_DEFAULT_ADDRESS_POOLS: subnets for networks whose user names none (ADR 0012). */
export function configuredAddressPools(env: NodeJS.ProcessEnv = process.env): string {
  return env['GANTRY_DEFAULT_ADDRESS_POOLS'] ?? '';
}
