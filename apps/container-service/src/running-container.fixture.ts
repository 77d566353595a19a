import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerDuplexStream, ServerReadableStream, ServerWritableStream } from '@grpc/grpc-js';
import type { InstanceConfig } from '@gantry/shared/config';
import type { EventPublisher } from '@gantry/shared/events';
import { createLinux } from '@gantry/shared/linux';
import { createLogger } from '@gantry/shared/logging';
import { ContainerEvents } from './lifecycle/container-events';
import { ContainerLifecycleEvents } from './lifecycle/container-lifecycle-events';
import type { ContainerRecord } from './records/container-record';
import { ContainerStore } from './records/container-store';
import { Conmon } from './runtime/conmon';
import { MonitorPaths } from './runtime/monitor-paths';
import { EmptySlices } from './runtime/empty-slices';
import { OciRuntime } from './runtime/oci-runtime';
import type { RuntimeChoice, Runtimes } from './runtime/runtimes';
import { DEFAULT_CAPABILITIES } from '@gantry/shared/oci';

export interface RunOptions {
  args: string[];
  tty?: boolean;
  stdin?: boolean;
  stdinOnce?: boolean;
  log?: { Type: string; Config: Record<string, string> };
  env?: string[];
}

const APPLETS = [
  'sh',
  'cat',
  'echo',
  'sleep',
  'seq',
  'head',
  'tr',
  'id',
  'env',
  'pwd',
  'md5sum',
  'grep',
  'stty',
  'tty',
  'true',
];

/** Real containers under conmon and crun for specs, without the rest of the constellation. */
export class RealContainers {
  readonly linux = createLinux();
  readonly directory = mkdtempSync(join(tmpdir(), 'gantry-containers-'));
  readonly events: string[] = [];
  readonly logger = createLogger('spec', 'fatal');
  readonly lifecycle = new ContainerLifecycleEvents(this.logger);
  readonly store = new ContainerStore({ write: async () => {} });
  readonly containerEvents = new ContainerEvents({
    publish: (event: { Action: string }) => this.events.push(event.Action),
  } as unknown as EventPublisher);
  readonly paths: MonitorPaths;
  readonly runtime: RuntimeChoice = {
    name: 'crun',
    path: this.linux.host.which('crun') ?? '',
    version: '',
    fastPath: false,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
  };
  readonly runtimes = { choose: () => this.runtime, all: () => [this.runtime] } as unknown as Runtimes;
  private readonly oci: OciRuntime;
  private count = 0;

  /** Makes `runDir` where it is told one. */
  constructor(private readonly runDir?: string) {
    this.paths = new MonitorPaths(this.config());
    const slices = new EmptySlices(this.linux, this.logger);
    this.oci = new OciRuntime(this.linux, this.paths, this.runtimes, slices);
    this.linux.cgroups.prepareHost();
    const rootfs = join(this.directory, 'rootfs');
    for (const each of ['bin', 'proc', 'dev', 'tmp', 'etc'])
      mkdirSync(join(rootfs, each), { recursive: true });
    copyFileSync(this.linux.host.which('busybox') ?? '', join(rootfs, 'bin/busybox'));
    for (const applet of APPLETS) symlinkSync('busybox', join(rootfs, 'bin', applet));
    writeFileSync(
      join(rootfs, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nbob:x:1500:1500::/home/bob:/bin/sh\n',
    );
    writeFileSync(join(rootfs, 'etc/group'), 'root:x:0:\nbob:x:1500:\nteam:x:1600:bob\n');
    for (const each of [this.paths.exits, this.paths.sockets, this.paths.runtimeRoot('crun')]) {
      mkdirSync(each, { recursive: true });
    }
  }

  /** A record, not started. */
  add(options: RunOptions): ContainerRecord {
    const id = `${(++this.count).toString(16)}`.padStart(64, 'c');
    mkdirSync(this.paths.bundle(id), { recursive: true });
    const record = {
      id,
      name: `c${this.count}`,
      imageId: 'sha256:0',
      config: {
        Image: 'busybox',
        Tty: options.tty ?? false,
        OpenStdin: options.stdin ?? false,
        StdinOnce: options.stdinOnce ?? false,
        Env: options.env ?? null,
        User: '',
        WorkingDir: '',
        Hostname: 'spec',
        Labels: {},
        Cmd: options.args,
      },
      hostConfig: {
        NetworkMode: 'none',
        LogConfig: options.log ?? { Type: 'json-file', Config: {} },
        GroupAdd: null,
        ReadonlyRootfs: false,
      },
      mounts: [],
      rootfs: join(this.directory, 'rootfs'),
      state: { Status: 'created', Running: false, Paused: false, Restarting: false, Pid: 0 },
    } as unknown as ContainerRecord;
    writeFileSync(this.paths.spec(id), JSON.stringify(this.spec(record, options.args)));
    this.store.add(record);
    return record;
  }

  async start(record: ContainerRecord): Promise<void> {
    const { Tty, OpenStdin, StdinOnce } = record.config;
    const monitor = new Conmon(this.linux, this.paths, this.config());
    const { pid, monitorPid } = await monitor.create({
      id: record.id,
      name: record.name,
      runtime: this.runtime,
      terminal: Tty,
      stdin: OpenStdin,
      keepStdin: !StdinOnce || Tty,
      log: record.hostConfig.LogConfig.Type === 'none' ? { kind: 'none' } : { kind: 'file' },
    });
    const { processes } = this.linux;
    record.process = {
      pid,
      startTime: processes.startTime(pid) ?? 0,
      monitorPid,
      monitorStartTime: processes.startTime(monitorPid) ?? 0,
      runtime: 'crun',
      cgroup: this.paths.cgroup(record.id),
      bootId: '',
    };
    await this.lifecycle.beforeStart(record);
    await this.oci.start(record.id, this.runtime);
    Object.assign(record.state, { Status: 'running', Running: true, Pid: pid });
    this.lifecycle.emit('started', record);
    void processes
      .waitForExit(monitorPid, { startTime: record.process.monitorStartTime })
      .then(() => this.ended(record));
  }

  async run(options: RunOptions): Promise<ContainerRecord> {
    const record = this.add(options);
    await this.start(record);
    return record;
  }

  kill(record: ContainerRecord): void {
    this.linux.processes.signal(record.state.Pid, 'SIGKILL');
  }

  /** Resolves when the container has ended and the listeners were told. */
  async exited(record: ContainerRecord): Promise<void> {
    while (record.state.Status !== 'exited') await new Promise((resolve) => setTimeout(resolve, 5));
  }

  async close(): Promise<void> {
    for (const record of this.store.all()) {
      if (record.state.Running) this.kill(record);
      await this.oci.deleteOf(record);
      if (record.process) await this.exited(record);
    }
    await this.linux.cgroups.remove(this.config().cgroupParent);
    for (const each of [this.directory, this.runDir ?? []].flat())
      rmSync(each, { recursive: true, force: true });
  }

  private ended(record: ContainerRecord): void {
    Object.assign(record.state, { Status: 'exited', Running: false, Pid: 0 });
    this.lifecycle.emit('exited', record);
  }

  private config(): InstanceConfig {
    return {
      dataRoot: this.directory,
      runDir: this.runDir ?? join(this.directory, 'run'),
      cgroupParent: `/gantryspec${process.pid}`,
      cgroupDriver: 'cgroupfs',
    } as InstanceConfig;
  }

  private spec(record: ContainerRecord, args: string[]): object {
    return {
      ociVersion: '1.0.2',
      process: {
        terminal: record.config.Tty,
        user: { uid: 0, gid: 0 },
        args,
        env: ['PATH=/bin'],
        cwd: '/',
        capabilities: {
          bounding: DEFAULT_CAPABILITIES,
          effective: DEFAULT_CAPABILITIES,
          permitted: DEFAULT_CAPABILITIES,
        },
        noNewPrivileges: false,
      },
      root: { path: record.rootfs, readonly: false },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
        {
          destination: '/dev/pts',
          type: 'devpts',
          source: 'devpts',
          options: ['newinstance', 'ptmxmode=0666'],
        },
      ],
      linux: {
        namespaces: [
          { type: 'mount' },
          { type: 'pid' },
          { type: 'ipc' },
          { type: 'uts' },
          { type: 'network' },
        ],
        cgroupsPath: this.paths.cgroup(record.id),
      },
    };
  }
}

/** One side of a gRPC stream as a controller sees it: `say` is what the client sends, `heard` what it got. */
export class FakeCall<Request, Response> extends Duplex {
  readonly heard: Response[] = [];
  cancelled = false;
  request!: Request;

  constructor() {
    super({ objectMode: true });
  }

  say(message: Request): void {
    this.push(message);
  }

  /** Half-closes the client's side. */
  finish(): void {
    this.push(null);
  }

  leave(): void {
    this.cancelled = true;
    this.emit('cancelled');
    this.destroy();
  }

  override _read(): void {}

  override _write(message: Response, _encoding: string, done: () => void): void {
    this.heard.push(message);
    this.emit('heard');
    done();
  }

  get duplex(): ServerDuplexStream<Request, Response> {
    return this as unknown as ServerDuplexStream<Request, Response>;
  }

  get clientStream(): ServerReadableStream<Request, Response> {
    return this as unknown as ServerReadableStream<Request, Response>;
  }

  get serverStream(): ServerWritableStream<Request, Response> {
    return this as unknown as ServerWritableStream<Request, Response>;
  }

  /** Resolves when what was heard fulfils the condition. */
  async until(condition: (heard: Response[]) => boolean): Promise<void> {
    while (!condition(this.heard)) await new Promise((resolve) => this.once('heard', resolve));
  }
}
