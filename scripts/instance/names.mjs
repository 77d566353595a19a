// Everything an instance puts on a host, derived from its name. The services derive the same in @gantry/shared/config.
import { existsSync, readdirSync, readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** The services in the order they are started; stopped in reverse. */
export const SERVICES = [
  'image-service',
  'volume-service',
  'network-service',
  'container-service',
  'api-gateway',
];

/** Services that keep tables: the Postgres schema is the first word of the service's name. */
export const SERVICES_WITH_TABLES = SERVICES.filter((service) => service !== 'api-gateway');

// Names whose bridge, cgroup or nft table belongs to something else on many hosts (`docker0`, `inet filter`, `eth0`).
const RESERVED = new Set(
  'docker podman cni lxc lxcbr virbr libpod machine system user init filter nat mangle raw security firewalld eth wlan wwan en ens eno enp lo br veth tun tap bond team dummy'.split(
    ' ',
  ),
);

/** One line for the user; printed without a stack trace. */
export class StartError extends Error {}

/**
 * @typedef {object} InstanceNames
 * @property {string} name
 * @property {string} runDir sockets, pid files, runtime state; gone after a reboot
 * @property {string} dataRoot images, containers, volumes, the private databases
 * @property {string[]} hosts where the gateway listens, e.g. `unix:///run/gantry/docker.sock`
 * @property {string} databaseUrl
 * @property {string} redisUrl
 * @property {boolean} privatePostgres no DATABASE_URL was given
 * @property {boolean} privateRedis no REDIS_URL was given
 */

/**
 * @param {{name?: string, runDir?: string, dataRoot?: string, hosts?: string[]}} options win over the environment
 * @param {NodeJS.ProcessEnv} env
 * @returns {InstanceNames}
 */
export function instanceNames(options = {}, env = process.env) {
  const name = options.name || env.GANTRY_INSTANCE || 'gantry';
  if (!/^[a-z][a-z0-9]{0,7}$/.test(name)) {
    throw new StartError(
      `invalid instance name ${JSON.stringify(name)}: a letter, then at most 7 letters and digits`,
    );
  }
  if (RESERVED.has(name)) {
    throw new StartError(
      `instance name ${name} is refused: other programs use ${name} for links, tables or cgroups`,
    );
  }
  const runDir = absolute('run directory', options.runDir || env.GANTRY_RUN_DIR || `/run/${name}`);
  const dataRoot = absolute('data root', options.dataRoot || env.GANTRY_DATA_ROOT || `/var/lib/${name}`);
  const hosts = options.hosts?.length
    ? options.hosts
    : (env.GANTRY_HOSTS ?? '').split(',').filter((host) => host !== '');
  return {
    name,
    runDir,
    dataRoot,
    hosts: hosts.length > 0 ? hosts : [`unix://${join(runDir, API_SOCKET)}`],
    databaseUrl:
      env.DATABASE_URL || `postgresql://postgres@localhost/${name}?host=${join(runDir, 'postgres')}`,
    redisUrl: env.REDIS_URL || `unix://${join(runDir, 'redis.sock')}`,
    privatePostgres: !env.DATABASE_URL,
    privateRedis: !env.REDIS_URL,
  };
}

/**
 * What a service of this instance reads from its environment.
 * @param {InstanceNames} names
 * @param {NodeJS.ProcessEnv} env
 */
export function serviceEnvironment(names, env = process.env) {
  return {
    ...env,
    GANTRY_INSTANCE: names.name,
    GANTRY_RUN_DIR: names.runDir,
    GANTRY_DATA_ROOT: names.dataRoot,
    GANTRY_HOSTS: names.hosts.join(','),
    DATABASE_URL: names.databaseUrl,
    REDIS_URL: names.redisUrl,
  };
}

const MARKER = 'instance.json';
/** systemd may have made it before. */
const API_SOCKET = 'docker.sock';

/**
 * Makes the run directory and the data root and marks them as this instance's. The marker is what allows `npm run clean`
 * to remove a directory, so one that holds something else is refused.
 * @param {InstanceNames} names
 */
export function claimDirectories(names) {
  for (const [directory, mode] of directoriesOf(names)) {
    const owner = ownerOf(directory);
    if (owner !== undefined && owner !== names.name) {
      throw new StartError(`${directory} belongs to the instance ${owner}`);
    }
    if (owner === undefined) {
      if (existsSync(directory) && readdirSync(directory).some((entry) => entry !== API_SOCKET)) {
        throw new StartError(
          `${directory} holds files that are not Gantry's: give another directory or instance name`,
        );
      }
      mkdirSync(directory, { recursive: true, mode });
      writeFileSync(join(directory, MARKER), JSON.stringify({ instance: names.name }) + '\n');
    }
  }
}

/**
 * The instance a directory was marked for; undefined when it has no marker.
 * @param {string} directory
 * @returns {string | undefined}
 */
export function ownerOf(directory) {
  try {
    return JSON.parse(readFileSync(join(directory, MARKER), 'utf8')).instance;
  } catch {
    return undefined;
  }
}

// Others must be able to pass through: the group of the API socket, and the users that PostgreSQL and Redis run as.
function directoriesOf(names) {
  return [
    [names.runDir, 0o755],
    [names.dataRoot, 0o711],
  ];
}

function absolute(what, path) {
  if (!isAbsolute(path) || path === '/')
    throw new StartError(`the ${what} must be an absolute path, not ${path}`);
  return path.replace(/\/+$/, '');
}
