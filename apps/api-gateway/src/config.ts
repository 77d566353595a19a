import { z } from 'zod';
import { join } from 'node:path';
import { flagSetting, type InstanceConfig, readSettings, SettingError } from '@gantry/shared/config';

/** DI token of the GatewayConfig. */
export const GATEWAY_CONFIG = Symbol('GatewayConfig');

export interface GatewayConfig {
  /** `unix:///path` and `tcp://host:port` */
  hosts: string[];
  /** Sockets that whoever started this process has bound: descriptors, by the host they are for. */
  inherited: ReadonlyMap<string, number>;
  /** Group of the unix sockets, where it exists on this host. */
  socketGroup: string;
  /** Paths of PEM files. */
  tls?: { ca?: string; cert: string; key: string; verifyClients: boolean };
  allowPlainTcp: boolean;
  /** dockerd's `experimental`: what clients want to hear before they ask for `docker build --squash`. */
  experimental: boolean;
}

const environment = z.object({
  GANTRY_HOSTS: z.string().optional(),
  GANTRY_LISTEN_FDS: z.string().optional(),
  GANTRY_SOCKET_GROUP: z.string().min(1).default('docker'),
  GANTRY_TLS_CACERT: z.string().min(1).optional(),
  GANTRY_TLS_CERT: z.string().min(1).optional(),
  GANTRY_TLS_KEY: z.string().min(1).optional(),
  GANTRY_TLS_VERIFY: flagSetting(true),
  GANTRY_ALLOW_PLAIN_TCP: flagSetting(false),
  GANTRY_EXPERIMENTAL: flagSetting(false),
});

/** @throws SettingError that names the variable which is wrong. */
export function loadGatewayConfig(
  instance: InstanceConfig,
  env: NodeJS.ProcessEnv = process.env,
): GatewayConfig {
  const e = readSettings(environment, env);
  const hosts = listOf(e.GANTRY_HOSTS);
  return {
    hosts: hosts.length > 0 ? hosts : [`unix://${join(instance.runDir, 'docker.sock')}`],
    inherited: new Map(listOf(e.GANTRY_LISTEN_FDS).map(descriptor)),
    socketGroup: e.GANTRY_SOCKET_GROUP,
    tls: tlsConfig(e),
    allowPlainTcp: e.GANTRY_ALLOW_PLAIN_TCP,
    experimental: e.GANTRY_EXPERIMENTAL,
  };
}

function listOf(text = ''): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** `host=number` */
function descriptor(text: string): [string, number] {
  const at = text.lastIndexOf('=');
  return [text.slice(0, at), Number(text.slice(at + 1))];
}

function tlsConfig(e: z.infer<typeof environment>): GatewayConfig['tls'] {
  const { GANTRY_TLS_CACERT: ca, GANTRY_TLS_CERT: cert, GANTRY_TLS_KEY: key } = e;
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new SettingError('GANTRY_TLS_CERT and GANTRY_TLS_KEY have to be given together');
  }
  if (e.GANTRY_TLS_VERIFY && ca === undefined) {
    throw new SettingError(
      'GANTRY_TLS_CACERT is needed to verify clients (GANTRY_TLS_VERIFY=0 turns that off)',
    );
  }
  return { ca, cert, key, verifyClients: e.GANTRY_TLS_VERIFY };
}
