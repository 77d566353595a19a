// Settings of an instance for every command about it: what the environment says wins over /etc/gantry/<instance>.env. A file in
// dockerd's format may say the rest, but nothing twice.
import { existsSync, readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { daemonFile, readDaemonJson } from './daemon-json.mjs';
import { StartError } from './names.mjs';

/** Every setting there is; README says what each means. */
export const SETTINGS = new Set([
  'DATABASE_URL',
  'REDIS_URL',
  ...(
    'INSTANCE CONFIG_FILE RUN_DIR DATA_ROOT HOSTS SOCKET_GROUP NODE_ID LOG_LEVEL NO_INSTALL ALLOW_PLAIN_TCP EXPERIMENTAL ' +
    'TLS_CACERT TLS_CERT TLS_KEY TLS_VERIFY RPC_CA RPC_CERT RPC_KEY ' +
    'IMAGE_ADDRESS IMAGE_DATA_ADDRESS CONTAINER_ADDRESS VOLUME_ADDRESS NETWORK_ADDRESS ' +
    'INSECURE_REGISTRIES REGISTRY_MIRRORS CERTS_DIR MAX_DOWNLOADS MAX_UPLOADS MAX_UNPACKS DOWNLOAD_SEGMENT ' +
    'LAYER_MAX_BYTES LAYER_MAX_ENTRIES LAYER_MAX_RATIO PARTIAL_MAX_HOURS BUILD_CACHE_MAX_BYTES BUILD_CACHE_MAX_HOURS ' +
    'USERNS_REMAP CGROUP_DRIVER FAVORDYNMODS CDI_DIRS ' +
    'LOG_DRIVER LOG_OPTS DEFAULT_ULIMITS DEFAULT_SHM_SIZE DEFAULT_CGROUPNS_MODE DEFAULT_IPC_MODE INIT NO_NEW_PRIVILEGES LABELS ' +
    'DNS DNS_SEARCH DNS_OPTS BIP FIXED_CIDR MTU ICC IP ' +
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
 * Where settings of an instance are.
 * @typedef {object} Sources
 * @property {string} settings a NAME=value a line; may be missing
 * @property {string} [config] in dockerd's format, and has to be there; undefined: what GANTRY_CONFIG_FILE says
 * @property {string} [defaultConfig] the same where neither says anything; may be missing
 * @property {Record<string, string>} [flags] variables that an option of the command stands for
 */

/**
 * @param {string} instance
 * @param {Pick<Sources, 'config' | 'flags'>} [more]
 * @returns {Sources}
 */
export const sourcesOf = (instance, more = {}) => ({
  settings: settingsFile(instance),
  defaultConfig: daemonFile(instance),
  ...more,
});

/**
 * Puts what the files say into `process.env`, where that does not say it already; called again, what they say by then.
 * @param {Sources} sources
 * @throws {StartError} where one names what is no setting, or both name the same; nothing is changed then
 */
export function applySettings({ settings, config, defaultConfig, flags = {} }) {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !applied.includes(name)));
  const lines = existsSync(settings) ? parseEnv(readFileSync(settings, 'utf8')) : {};
  const unknown = Object.keys(lines).find((name) => !SETTINGS.has(name));
  if (unknown !== undefined) throw new StartError(`${settings}: ${unknown} is no setting of Gantry`);
  const present = { ...lines, ...own };
  const file = config || present.GANTRY_CONFIG_FILE || (existsSync(defaultConfig ?? '') ? defaultConfig : '');
  const given = (name) =>
    flags[name] ?? (present[name] === undefined ? undefined : `${name}=${present[name]}`);
  const all = { ...(file ? readDaemonJson(file, given) : {}), ...present };
  for (const name of applied) delete process.env[name];
  applied = Object.keys(all).filter((name) => own[name] === undefined);
  for (const name of applied) process.env[name] = all[name];
}
