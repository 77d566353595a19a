import { join } from 'node:path';
import { type InstanceConfig, SettingError } from '@gantry/shared/config';
import { formatCidr, parseCidr } from './ipam/cidr';

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
    throw new SettingError('GANTRY_NETNS_POOL has to be a number from 0 to 128');
  }
  return size;
}

/**
 * GANTRY_BRIDGE_IPV6: whether the default bridge has IPv6 (`0` or `1`), or the subnet it has (dockerd's `ipv6` and
 * `fixed-cidr-v6`).
 */
export function bridgeIpv6(env: NodeJS.ProcessEnv = process.env): { enabled: boolean; subnet?: string } {
  const text = env['GANTRY_BRIDGE_IPV6'] ?? '';
  if (text === '' || text === '0') return { enabled: false };
  if (text === '1') return { enabled: true };
  const cidr = parseCidr(text);
  if (cidr?.family !== 6 || cidr.prefix > 120) {
    throw new SettingError(
      `GANTRY_BRIDGE_IPV6: ${text}: has to be 0, 1 or an IPv6 subnet of at most 120 bits`,
    );
  }
  return { enabled: true, subnet: formatCidr(cidr) };
}

/** GANTRY_DEFAULT_ADDRESS_POOLS: subnets for networks whose user names none (ADR 0012). */
export function configuredAddressPools(env: NodeJS.ProcessEnv = process.env): string {
  return env['GANTRY_DEFAULT_ADDRESS_POOLS'] ?? '';
}
