// Starts one instance: databases, migrations, the five services. `npm start`, the tests and the bench all come through here.
import { createWriteStream } from 'node:fs';
import { endProcess, runningFromPidFiles } from '../host/processes.mjs';
import { ApiSockets, FROM_SYSTEMD } from './api-sockets.mjs';
import { lockInstance, pidDirectory } from './lock.mjs';
import { migrate } from './migrate.mjs';
import { SERVICES, claimDirectories, instanceNames, serviceEnvironment } from './names.mjs';
import { privatePostgres } from './postgres.mjs';
import { privateRedis } from './redis.mjs';
import { serviceDefinition } from './services.mjs';
import { Supervised } from './supervisor.mjs';

/**
 * The host must have been prepared and the services built.
 * @param {import('./instance.mjs').StartOptions} [options]
 * @returns {Promise<Instance>} when every service is ready
 */
export async function startInstance(options = {}) {
  const env = options.env ?? process.env;
  const names = instanceNames(options, env);
  claimDirectories(names);
  const lock = await lockInstance(names);
  const instance = new Instance(names, serviceEnvironment(names, env), { ...options, lock });
  try {
    await endOrphans(names);
    await instance.start(options.entries ?? {});
  } catch (error) {
    await instance.stop();
    throw error;
  }
  return instance;
}

// What a supervisor that was killed has left running. Services first, they use the databases.
async function endOrphans(names) {
  const orphans = runningFromPidFiles(pidDirectory(names)).filter(({ pid }) => pid !== process.pid);
  const databases = orphans.filter(({ name }) => name === 'postgres' || name === 'redis');
  const services = orphans.filter((orphan) => !databases.includes(orphan));
  await Promise.all(services.map((orphan) => endProcess(orphan, 'SIGTERM', 10_000)));
  await Promise.all(
    databases.map((orphan) => endProcess(orphan, orphan.name === 'postgres' ? 'SIGINT' : 'SIGTERM', 10_000)),
  );
}

export class Instance {
  #lock;
  #log;
  #logFile;
  #sockets;
  /** In the order they were started. */
  #processes = [];

  constructor(names, env, { lock, quiet = false, logFile }) {
    this.names = names;
    /** What a service of this instance is started with, for a second one by hand. */
    this.env = env;
    this.#lock = lock;
    this.#logFile = logFile ? createWriteStream(logFile, { flags: 'a' }) : undefined;
    this.#log = (name, line) => {
      const text = `${name.padEnd(9)} | ${line}\n`;
      if (this.#logFile) this.#logFile.write(text);
      else if (!quiet) process.stdout.write(text);
    };
  }

  /** The gateway's first address, as DOCKER_HOST takes it. */
  get dockerHost() {
    return (
      this.names.hosts.find((host) => host !== FROM_SYSTEMD) ?? `unix://${this.names.runDir}/docker.sock`
    );
  }

  async start(entries) {
    const { names } = this;
    const databases = [
      names.privatePostgres ? this.#supervise(await privatePostgres(names)) : undefined,
      names.privateRedis ? this.#supervise(privateRedis(names)) : undefined,
    ];
    await Promise.all(databases.map((database) => database?.ready()));
    for (const migration of await migrate(names.databaseUrl)) this.#log('migrate', `applied ${migration}`);
    this.#sockets = await ApiSockets.open(names.hosts);
    const services = SERVICES.map((service) =>
      this.#supervise(
        serviceDefinition(service, () => this.env, {
          entry: entries[service],
          sockets: service === 'api-gateway' ? this.#sockets : undefined,
        }),
      ),
    );
    await Promise.all(services.map((service) => service.ready()));
  }

  /**
   * @param {string} name `image-service`, `postgres`, or the name given to `add`
   * @returns {Supervised}
   */
  process(name) {
    const short = serviceDefinition(name, () => ({})).name;
    const found = this.#processes.find((candidate) => candidate.name === short);
    if (!found) throw new Error(`no process ${name} in the instance ${this.names.name}`);
    return found;
  }

  /** Every process of the instance with its pid. */
  processes() {
    return this.#processes.map(({ name, pid, restarts }) => ({ name, pid, restarts }));
  }

  /**
   * Starts one more process of a service, for instance a second gateway.
   * @param {string} service
   * @param {{as: string, env: NodeJS.ProcessEnv}} options
   * @returns {Promise<Supervised>} when it is ready
   */
  async add(service, { as, env }) {
    const added = this.#supervise(serviceDefinition(service, () => ({ ...this.env, ...env }), { as }));
    await added.ready();
    return added;
  }

  /**
   * Restarts one service after the other. Requests wait meanwhile; streams that a gateway carries are finished by the process that
   * began them.
   * @param {NodeJS.ProcessEnv} env with settings that have changed; names, directories and hosts stay
   * @throws {StartError} where a service refuses a setting: it goes on with those of before, and the others were not restarted
   */
  async restart(env) {
    const before = this.env;
    this.env = serviceEnvironment(this.names, env);
    for (const service of SERVICES) {
      const supervised = this.process(service);
      try {
        if (service === 'api-gateway') await supervised.replace();
        else await supervised.ready({ notPid: supervised.kill('SIGTERM') });
      } catch (error) {
        this.env = before;
        throw error;
      }
      this.#log('restart', `${service} is ready as process ${supervised.pid}`);
    }
  }

  /** Stops every process in reverse order. Containers keep running. */
  async stop() {
    this.#lock.leave();
    for (const supervised of this.#processes.splice(0).reverse()) await supervised.stop();
    this.#sockets?.close();
    this.#logFile?.end();
    this.#lock.release();
  }

  #supervise(definition) {
    const supervised = new Supervised(definition, { pidDirectory: pidDirectory(this.names), log: this.#log });
    this.#processes.push(supervised);
    supervised.start();
    return supervised;
  }
}
