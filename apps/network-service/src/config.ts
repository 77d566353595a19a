import { join } from 'node:path';
import { isIP } from 'node:net';
import { z } from 'zod';
import { flagSetting, type InstanceConfig, readSettings, SettingError } from '@gantry/shared/config';
import { contains, formatCidr, formatIp, parseCidr, parseIp } from './ipam/cidr';
import type { SubnetConfig } from './networks/ipam-config';

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
function bridgeIpv6(env: NodeJS.ProcessEnv = process.env): { enabled: boolean; subnet?: string } {
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

const bridgeEnvironment = z.object({
  GANTRY_BIP: z.string().default(''),
  GANTRY_FIXED_CIDR: z.string().default(''),
  GANTRY_MTU: z.coerce.number().int().min(0).default(0),
  GANTRY_ICC: flagSetting(true),
  GANTRY_IP: z.string().default(''),
});

/** The default bridge: dockerd's settings of these names. */
export interface BridgeSettings {
  ipv6: { enabled: boolean; subnet?: string };
  /** `bip` and `fixed-cidr`; undefined: any subnet that is free. */
  ipv4?: SubnetConfig;
  /** Bytes. */
  mtu: number;
  icc: boolean;
  /** Of published ports whose user names none. */
  hostIp: string;
}

const DEFAULT_MTU = 1500;

/** @throws SettingError that names the variable which is wrong */
export function bridgeSettings(env: NodeJS.ProcessEnv = process.env): BridgeSettings {
  const e = readSettings(bridgeEnvironment, env);
  if (e.GANTRY_IP !== '' && isIP(e.GANTRY_IP) === 0) {
    throw new SettingError(`GANTRY_IP: invalid IP address: ${e.GANTRY_IP}`);
  }
  return {
    ipv6: bridgeIpv6(env),
    ipv4: bridgeSubnet(e.GANTRY_BIP, e.GANTRY_FIXED_CIDR),
    mtu: e.GANTRY_MTU || DEFAULT_MTU,
    icc: e.GANTRY_ICC,
    hostIp: e.GANTRY_IP || '0.0.0.0',
  };
}

/** Without an address of the bridge, its subnet is the one that containers have addresses of. */
function bridgeSubnet(bip: string, fixedCidr: string): SubnetConfig | undefined {
  if (bip === '' && fixedCidr === '') return undefined;
  const range = fixedCidr === '' ? undefined : parseCidr(fixedCidr);
  if (fixedCidr !== '' && range?.family !== 4) {
    throw new SettingError(`GANTRY_FIXED_CIDR: parse fixed-cidr failed: invalid CIDR address: ${fixedCidr}`);
  }
  const subnet = bip === '' ? range : parseCidr(bip);
  const gateway = parseIp(bip.split('/')[0] ?? '');
  if (subnet?.family !== 4 || (bip !== '' && (!gateway || gateway.value === subnet.base))) {
    throw new SettingError(`GANTRY_BIP: parse bip failed: invalid CIDR address: ${bip}`);
  }
  if (range && (range.prefix < subnet.prefix || !contains(subnet, { family: 4, value: range.base }))) {
    throw new SettingError(`GANTRY_FIXED_CIDR: ${fixedCidr} is not within ${formatCidr(subnet)}`);
  }
  return {
    Subnet: formatCidr(subnet),
    ...(gateway && { Gateway: formatIp(gateway) }),
    ...(range && { IPRange: formatCidr(range) }),
  };
}

/** GANTRY_DEFAULT_ADDRESS_POOLS: subnets for networks whose user names none (ADR 0012). */
export function configuredAddressPools(env: NodeJS.ProcessEnv = process.env): string {
  return env['GANTRY_DEFAULT_ADDRESS_POOLS'] ?? '';
}
