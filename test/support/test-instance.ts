import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually';

const ROOT = process.cwd();

/** What the instances wrote stays here, for when a test fails. */
const LOGS = join(ROOT, '.cache', 'test-logs');

export type ServiceName = 'gateway' | 'image' | 'container' | 'volume' | 'network' | 'postgres' | 'redis';

/** An instance of Gantry started as a user starts it: `npm start -- --instance NAME`. */
export class TestInstance {
  private supervisor: ChildProcess;

  private constructor(
    readonly name: string,
    readonly runDir: string,
    readonly dataRoot: string,
    /** The certs.d of registries (GANTRY_CERTS_DIR). */
    readonly certificates: string,
    readonly logFile: string,
    private readonly directory: string,
    private readonly node: string[],
    private readonly launch: () => ChildProcess,
  ) {
    this.supervisor = launch();
  }

  /**
   * Resolves when it is ready. `hosts`: more addresses for the gateway. `netns`: the network namespace that is its host.
   * `runDir`: one that does not exist yet.
   */
  static async start(
    name: string,
    options: {
      hosts?: string[];
      env?: NodeJS.ProcessEnv;
      netns?: string;
      dataRoot?: string;
      runDir?: string;
    } = {},
  ): Promise<TestInstance> {
    const directory = await mkdtemp(join(tmpdir(), `${name}-`));
    await chmod(directory, 0o711); // PostgreSQL runs as a user of its own
    const runDir = options.runDir ?? join(directory, 'run');
    const dataRoot = options.dataRoot ?? join(directory, 'data');
    const certificates = join(directory, 'certs.d');
    const logFile = join(LOGS, `${name}.log`);
    await mkdir(LOGS, { recursive: true });
    const hosts = [`unix://${runDir}/docker.sock`, ...(options.hosts ?? [])];
    const node = options.netns ? ['nsenter', `--net=${options.netns}`, process.execPath] : [process.execPath];
    const launch = () =>
      spawn(
        node[0] ?? '',
        [
          ...node.slice(1),
          join(ROOT, 'scripts', 'start.mjs'),
          ...['--instance', name, '--run-dir', runDir, '--data-root', dataRoot],
          ...hosts.flatMap((host) => ['--host', host]),
        ],
        {
          cwd: ROOT,
          stdio: ['ignore', 'pipe', 'pipe'],
          env: {
            ...process.env,
            GANTRY_NO_INSTALL: '1',
            GANTRY_CERTS_DIR: certificates,
            // As the devices of this host are not the tests' business.
            GANTRY_CDI_DIRS: join(directory, 'cdi'),
            GANTRY_PLUGIN_SOCKETS: join(runDir, 'plugins'),
            ...options.env,
          },
        },
      );
    const instance = new TestInstance(name, runDir, dataRoot, certificates, logFile, directory, node, launch);
    await instance.ready();
    return instance;
  }

  get socket(): string {
    return join(this.runDir, 'docker.sock');
  }

  get dockerHost(): string {
    return `unix://${this.socket}`;
  }

  /** Of the process that runs now. */
  pid(service: ServiceName): number {
    return Number(readFileSync(join(this.runDir, 'pids', service), 'utf8').split(' ')[0]);
  }

  /** `kill -9`, then waits until the supervisor has started another process that answers. */
  async kill(service: ServiceName): Promise<void> {
    const before = this.pid(service);
    process.kill(before, 'SIGKILL');
    await eventually(() => {
      if (this.pid(service) === before) throw new Error(`${service} has not been started again`);
    });
  }

  /** Stops the services as a user does; containers keep running. */
  async stop(): Promise<void> {
    if (this.supervisor.exitCode !== null) return;
    const ended = new Promise((resolve) => this.supervisor.once('exit', resolve));
    this.supervisor.kill('SIGTERM');
    await ended;
  }

  /** Starts a stopped instance again, with what it has on disk. */
  async startAgain(): Promise<void> {
    this.supervisor = this.launch();
    await this.ready();
  }

  /** `npm run clean`: afterwards nothing of the instance is on the host. */
  async clean(): Promise<void> {
    await this.stop();
    const child = spawn(
      this.node[0] ?? '',
      [
        ...this.node.slice(1),
        join(ROOT, 'scripts', 'clean.mjs'),
        ...['--instance', this.name, '--run-dir', this.runDir, '--data-root', this.dataRoot],
      ],
      { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let complaint = '';
    child.stderr?.on('data', (data: Buffer) => (complaint += data.toString()));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(`clean failed: ${complaint}`);
    await rm(this.directory, { recursive: true, force: true });
  }

  private ready(): Promise<void> {
    const log = createWriteStream(this.logFile, { flags: 'a' });
    return new Promise((resolve, reject) => {
      const tail: string[] = [];
      for (const output of [this.supervisor.stdout, this.supervisor.stderr]) {
        if (!output) continue;
        createInterface(output).on('line', (line) => {
          log.write(`${line}\n`);
          if (tail.push(line) > 30) tail.shift();
          if (line.startsWith('Gantry is ready')) resolve();
        });
      }
      this.supervisor.once('exit', (code) =>
        reject(new Error(`the instance ended with code ${code}:\n${tail.join('\n')}`)),
      );
    });
  }
}
