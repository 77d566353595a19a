import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readSettings, SettingError } from './settings';
import { loadUserRemap, type UserRemap } from './user-remap';

/** Gantry's own. */
export const ENGINE_VERSION = '0.1.0';

/** The release of Docker whose API this is: what clients compare with the oldest that they work with (ADR 0029). */
export const DOCKER_VERSION = '29.9.0';

/** Mutual TLS between services on different hosts. Paths of PEM files. */
export interface RpcTls {
  ca: string;
  cert: string;
  key: string;
}

/**
 * Everything that one instance of Gantry is called on its host. All names derive from `instance`, so that two instances
 * run side by side and see nothing of each other.
 */
export interface InstanceConfig {
  instance: string;
  nodeId: string;
  /** Sockets and pid files; gone at reboot. */
  runDir: string;
  dataRoot: string;
  databaseUrl: string;
  redisUrl: string;
  /** Of every Redis key, stream and queue. */
  redisPrefix: string;
  /** The interface of the default bridge network. */
  bridgeName: string;
  /** `table inet <name>` of nftables. */
  nftTable: string;
  /** Below every cgroup hierarchy, with the leading slash. */
  cgroupParent: string;
  /** Who makes the cgroups of containers: the runtime, or systemd when the runtime asks it to. */
  cgroupDriver: 'cgroupfs' | 'systemd';
  /** The link alias that marks interfaces as ours starts with it. */
  linkAlias: string;
  addresses: {
    image: string;
    imageData: string;
    container: string;
    volume: string;
    network: string;
  };
  rpcTls?: RpcTls;
  /** Undefined: root of a container is root of the host. */
  userRemap?: UserRemap;
  logLevel: string;
}

const environment = z.object({
  GANTRY_INSTANCE: z
    .string()
    .regex(
      /^[a-z][a-z0-9]{0,7}$/,
      'GANTRY_INSTANCE has to be a lower-case letter and up to 7 letters or digits',
    )
    .default('gantry'),
  GANTRY_NODE_ID: z.string().min(1).optional(),
  GANTRY_RUN_DIR: z.string().startsWith('/').optional(),
  GANTRY_DATA_ROOT: z.string().startsWith('/').optional(),
  DATABASE_URL: z.string().min(1).optional(),
  REDIS_URL: z
    .string()
    .regex(
      /^(rediss?:\/\/[^/]|unix:\/\/\/)/,
      'has to be redis://host:port, rediss://host:port or unix:///path',
    )
    .optional(),
  GANTRY_IMAGE_ADDRESS: z.string().optional(),
  GANTRY_IMAGE_DATA_ADDRESS: z.string().optional(),
  GANTRY_CONTAINER_ADDRESS: z.string().optional(),
  GANTRY_VOLUME_ADDRESS: z.string().optional(),
  GANTRY_NETWORK_ADDRESS: z.string().optional(),
  GANTRY_RPC_CA: z.string().optional(),
  GANTRY_RPC_CERT: z.string().optional(),
  GANTRY_RPC_KEY: z.string().optional(),
  GANTRY_USERNS_REMAP: z.string().optional(),
  GANTRY_CGROUP_DRIVER: z.enum(['cgroupfs', 'systemd']).default('cgroupfs'),
  GANTRY_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
});

function machineId(): string {
  for (const file of ['/etc/machine-id', '/var/lib/dbus/machine-id']) {
    if (!existsSync(file)) continue;
    const id = readFileSync(file, 'utf8').trim();
    if (id !== '') return id;
  }
  return 'node';
}

/** @throws SettingError that names the variable which is wrong. */
export function loadInstanceConfig(env: NodeJS.ProcessEnv = process.env): InstanceConfig {
  const e = readSettings(environment, env);
  const runDir = e.GANTRY_RUN_DIR ?? `/run/${e.GANTRY_INSTANCE}`;
  const socket = (name: string) => `unix://${join(runDir, `${name}.sock`)}`;
  const tlsParts = [e.GANTRY_RPC_CA, e.GANTRY_RPC_CERT, e.GANTRY_RPC_KEY].filter(
    (part) => part !== undefined,
  );
  if (tlsParts.length !== 0 && tlsParts.length !== 3) {
    throw new SettingError('GANTRY_RPC_CA, GANTRY_RPC_CERT and GANTRY_RPC_KEY have to be given together');
  }
  return {
    instance: e.GANTRY_INSTANCE,
    nodeId: e.GANTRY_NODE_ID ?? machineId(),
    runDir,
    dataRoot: e.GANTRY_DATA_ROOT ?? `/var/lib/${e.GANTRY_INSTANCE}`,
    databaseUrl:
      e.DATABASE_URL ??
      `postgresql://postgres@localhost/${e.GANTRY_INSTANCE}?host=${join(runDir, 'postgres')}`,
    redisUrl: e.REDIS_URL ?? `unix://${join(runDir, 'redis.sock')}`,
    redisPrefix: `${e.GANTRY_INSTANCE}:`,
    bridgeName: `${e.GANTRY_INSTANCE}0`,
    nftTable: e.GANTRY_INSTANCE,
    cgroupParent: `/${e.GANTRY_INSTANCE}`,
    cgroupDriver: e.GANTRY_CGROUP_DRIVER,
    linkAlias: `gantry:${e.GANTRY_INSTANCE}:`,
    addresses: {
      image: e.GANTRY_IMAGE_ADDRESS ?? socket('image'),
      imageData: e.GANTRY_IMAGE_DATA_ADDRESS ?? socket('image-data'),
      container: e.GANTRY_CONTAINER_ADDRESS ?? socket('container'),
      volume: e.GANTRY_VOLUME_ADDRESS ?? socket('volume'),
      network: e.GANTRY_NETWORK_ADDRESS ?? socket('network'),
    },
    rpcTls:
      e.GANTRY_RPC_CA && e.GANTRY_RPC_CERT && e.GANTRY_RPC_KEY
        ? { ca: e.GANTRY_RPC_CA, cert: e.GANTRY_RPC_CERT, key: e.GANTRY_RPC_KEY }
        : undefined,
    userRemap: e.GANTRY_USERNS_REMAP ? userRemapOf(e.GANTRY_USERNS_REMAP, runDir) : undefined,
    logLevel: e.GANTRY_LOG_LEVEL,
  };
}

function userRemapOf(setting: string, runDir: string): UserRemap {
  try {
    return loadUserRemap(setting, runDir);
  } catch (error) {
    throw new SettingError(`GANTRY_USERNS_REMAP: ${(error as Error).message}`, { cause: error });
  }
}
