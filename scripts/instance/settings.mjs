// /etc/gantry/<instance>.env: settings of an instance for every command about it. What the environment says wins.
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { StartError } from './names.mjs';

/** Every setting there is; README says what each means. */
export const SETTINGS = new Set([
  'DATABASE_URL',
  'REDIS_URL',
  ...(
    'INSTANCE RUN_DIR DATA_ROOT HOSTS SOCKET_GROUP NODE_ID LOG_LEVEL NO_INSTALL ALLOW_PLAIN_TCP EXPERIMENTAL ' +
    'TLS_CACERT TLS_CERT TLS_KEY TLS_VERIFY RPC_CA RPC_CERT RPC_KEY ' +
    'IMAGE_ADDRESS IMAGE_DATA_ADDRESS CONTAINER_ADDRESS VOLUME_ADDRESS NETWORK_ADDRESS ' +
    'INSECURE_REGISTRIES REGISTRY_MIRRORS CERTS_DIR MAX_DOWNLOADS MAX_UPLOADS MAX_UNPACKS DOWNLOAD_SEGMENT ' +
    'LAYER_MAX_BYTES LAYER_MAX_ENTRIES LAYER_MAX_RATIO PARTIAL_MAX_HOURS BUILD_CACHE_MAX_BYTES BUILD_CACHE_MAX_HOURS ' +
    'USERNS_REMAP CGROUP_DRIVER FAVORDYNMODS CDI_DIRS ' +
    'NETNS_POOL DEFAULT_ADDRESS_POOLS BRIDGE_IPV6 BIG_TCP PLUGIN_SOCKETS PLUGIN_SPECS PLUGIN_SECONDS'
  )
    .split(' ')
    .map((name) => `GANTRY_${name}`),
]);

/** @param {string} instance */
export const settingsFile = (instance) => `/etc/gantry/${instance}.env`;

/** Names that the last `applySettings` has put into the environment. */
let applied = [];

/**
 * Puts what the file says into `process.env`, where that does not say it already; called again, what it says by then.
 * @param {string} file may be missing
 * @throws {StartError} where it names what is no setting
 */
export function applySettings(file) {
  const settings = existsSync(file) ? parseEnv(readFileSync(file, 'utf8')) : {};
  const unknown = Object.keys(settings).find((name) => !SETTINGS.has(name));
  if (unknown !== undefined) throw new StartError(`${file}: ${unknown} is no setting of Gantry`);
  for (const name of applied) delete process.env[name];
  applied = Object.keys(settings).filter((name) => process.env[name] === undefined);
  for (const name of applied) process.env[name] = settings[name];
}
