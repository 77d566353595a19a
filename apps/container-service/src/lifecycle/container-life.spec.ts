import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Test, type TestingModule } from '@nestjs/testing';
import { INSTANCE_CONFIG, loadInstanceConfig } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import { EventPublisher, type EngineEvent } from '@gantry/shared/events';
import { unavailable } from '@gantry/shared/errors';
import { toJson } from '@gantry/shared/grpc';
import { createLinux, LINUX } from '@gantry/shared/linux';
import { createLogger, LOGGER } from '@gantry/shared/logging';
import { ContainerCreator } from '../create/container-creator';
import { CDI_PROVIDERS } from '../cdi/cdi.providers';
import { CREATE_PROVIDERS } from '../create/create.providers';
import { HostFactsProvider } from '../host-facts';
import { NETWORKS_PROVIDERS } from '../networks/networks.providers';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { RecordFiles } from '../records/record-files';
import { ExitWatch } from '../runtime/exit-watch';
import { MonitorPaths } from '../runtime/monitor-paths';
import { RUNTIME_PROVIDERS } from '../runtime/runtime.providers';
import { Runtimes } from '../runtime/runtimes';
import { ServicePeers } from '../service-peers';
import { SPEC_PROVIDERS } from '../spec/spec.providers';
import { ContainerExits } from './container-exits';
import { ContainerPauser } from './container-pauser';
import { ContainerStarter } from './container-starter';
import { ContainerStopper } from './container-stopper';
import { ContainerWaiters } from './container-waiters';
import { LIFECYCLE_PROVIDERS } from './lifecycle.providers';
import { Reconciler } from './reconciler';

const linux = createLinux();
const busybox = linux.host.which('busybox');
const usable = process.getuid?.() === 0 && busybox && linux.host.which('conmon') && linux.host.which('crun');
// Left out where one of them is missing; `npm test` installs them.
const withRuntime = usable ? describe : describe.skip;

/** One life of the service: the same directory may get several. */
class Service {
  readonly events: string[] = [];
  /** Of the image service: what comes before the mount of a root, and the roots unmounted. */
  beforeMount: () => Promise<void> = async () => {};
  readonly unmounted: string[] = [];
  module!: TestingModule;

  constructor(
    private readonly directory: string,
    private readonly rootfs: string,
  ) {}

  async open(): Promise<this> {
    const events = this.events;
    this.module = await Test.createTestingModule({
      providers: [
        { provide: LINUX, useValue: linux },
        { provide: LOGGER, useValue: createLogger('spec', 'fatal') },
        {
          provide: INSTANCE_CONFIG,
          useValue: loadInstanceConfig({
            GANTRY_INSTANCE: `life${process.pid % 1000}`,
            GANTRY_RUN_DIR: join(this.directory, 'run'),
            GANTRY_DATA_ROOT: join(this.directory, 'data'),
          }),
        },
        {
          provide: EventPublisher,
          useValue: { publish: (event: EngineEvent) => events.push(event.Action) },
        },
        { provide: ServicePeers, useValue: this.peers() },
        LateSync,
        RecordFiles,
        {
          provide: ContainerStore,
          inject: [RecordFiles],
          useFactory: (files: RecordFiles) => new ContainerStore(files),
        },
        HostFactsProvider,
        ...RUNTIME_PROVIDERS,
        ...SPEC_PROVIDERS,
        ...CDI_PROVIDERS,
        ...NETWORKS_PROVIDERS,
        ...CREATE_PROVIDERS,
        ...LIFECYCLE_PROVIDERS,
      ],
    }).compile();
    await this.get(Runtimes).probe();
    await this.get(Reconciler).run();
    return this;
  }

  /** As `kill -9` would: nothing is told to anybody. */
  die(): void {
    this.get(Reconciler).stop();
    this.get(ContainerExits).close();
    this.get(ExitWatch).onApplicationShutdown();
  }

  get<T>(type: new (...args: never[]) => T): T {
    return this.module.get(type);
  }

  async create(cmd: string[], hostConfig: object = {}): Promise<ContainerRecord> {
    const body = { Image: 'busybox', Cmd: cmd, HostConfig: { NetworkMode: 'none', ...hostConfig } };
    const { id } = await this.get(ContainerCreator).create({
      name: '',
      config: toJson(body).json,
      platform: '',
    });
    return this.get(ContainerStore).resolve(id);
  }

  async run(cmd: string[], hostConfig: object = {}): Promise<ContainerRecord> {
    const record = await this.create(cmd, hostConfig);
    await this.get(ContainerStarter).start(record.id);
    return record;
  }

  wait(record: ContainerRecord, condition: 'not-running' | 'removed' = 'not-running') {
    return this.get(ContainerWaiters).wait(record, condition);
  }

  log(record: ContainerRecord): string {
    const lines = readFileSync(this.get(MonitorPaths).log(record.id), 'utf8').trimEnd().split('\n');
    return lines.map((line) => line.split(' ').slice(3).join(' ')).join('\n');
  }

  /** The other services: one shared root file system, no networks, no volumes. */
  private peers(): unknown {
    const done = async () => ({});
    const imageConfig = toJson({ os: 'linux', config: { Env: ['PATH=/bin'] } }).json;
    return {
      snapshots: {
        prepare: async () => ({
          imageId: 'sha256:1',
          imageConfig,
          rootfs: this.rootfs,
          manifestDescriptor: Buffer.alloc(0),
        }),
        mount: async () => {
          await this.beforeMount();
          return { rootfs: this.rootfs, graphDriver: Buffer.alloc(0) };
        },
        unmount: async ({ containerId }: { containerId: string }) => {
          this.unmounted.push(containerId);
          return {};
        },
        remove: done,
        list: async () => ({ snapshots: [] }),
      },
      sandboxes: {
        attach: async () => ({
          netnsPath: join(this.directory, 'netns'),
          networkSettings: toJson({}).json,
          resolvConf: '',
          hosts: [],
        }),
        release: done,
        list: async () => ({ sandboxes: [] }),
      },
      volumes: { list: async () => ({ attachments: [] }) },
    };
  }
}

withRuntime('the life of a container', () => {
  const directory = mkdtempSync(join(tmpdir(), 'life-'));
  const rootfs = join(directory, 'rootfs');
  let service: Service;

  beforeAll(async () => {
    for (const name of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc']) {
      mkdirSync(join(rootfs, name), { recursive: true });
    }
    copyFileSync(busybox ?? '', join(rootfs, 'bin/busybox'));
    for (const name of ['sh', 'true', 'echo', 'sleep', 'grep', 'id', 'cat']) {
      symlinkSync('busybox', join(rootfs, 'bin', name));
    }
    writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    linux.namespaces.createNetworkNamespace(join(directory, 'netns'));
    service = await new Service(directory, rootfs).open();
  });

  afterAll(async () => {
    for (const record of service.get(ContainerStore).all()) {
      await service.get(ContainerStopper).remove(record.id, { force: true, volumes: true });
    }
    service.die();
    const { volatile } = service.get(MonitorPaths);
    while (linux.cgroups.pids(service.get(MonitorPaths).cgroup('')).length > 0) await tick();
    linux.mounts.detach(join(volatile, 'runtimes', 'crun.readonly'));
    linux.namespaces.removeNetworkNamespace(join(directory, 'netns'));
    await linux.cgroups.remove(service.get(MonitorPaths).cgroup(''));
    rmSync(directory, { recursive: true, force: true });
  });

  describe.each([
    ['crun, fast path', 'crun', true],
    ['crun, plain commands', 'crun', false],
    ['runc', 'runc', false],
  ])('%s', (_title, name, fast) => {
    beforeAll(() => {
      const runtime = service.get(Runtimes).choose(name);
      runtime.fastPath = fast;
    });

    it('runs, tells its exit code and keeps its output', async () => {
      const record = await service.run(['sh', '-c', 'echo out; exit 7'], { Runtime: name });
      await expect(service.wait(record)).resolves.toEqual({ statusCode: 7, error: '' });
      expect(record.state).toMatchObject({ Status: 'exited', ExitCode: 7, Pid: 0, Running: false });
      expect(service.log(record)).toBe('out');
    });

    it('has the default seccomp filter and capabilities', async () => {
      const record = await service.run(['grep', '-E', '^(Seccomp|CapEff):', '/proc/self/status'], {
        Runtime: name,
      });
      await service.wait(record);
      expect(service.log(record).split(/\s+/)).toEqual(['CapEff:', '00000000a80425fb', 'Seccomp:', '2']);
    });

    it('says which program is not there, and is startable state again', async () => {
      const record = await service.create(['nonesuchcmd'], { Runtime: name });
      await expect(service.get(ContainerStarter).start(record.id)).rejects.toMatchObject({
        kind: 'InvalidArgument',
        message: expect.stringContaining('executable file not found in $PATH') as string,
      });
      expect(record.state).toMatchObject({ Status: 'created', ExitCode: 127, Running: false });
      expect(record.process).toBeUndefined();
    });

    it('leaves nothing after --rm', async () => {
      const record = await service.run(['true'], { Runtime: name, AutoRemove: true });
      await service.wait(record, 'removed');
      expect(service.get(ContainerStore).get(record.id)).toBeUndefined();
      const paths = service.get(MonitorPaths);
      const left = [paths.bundle(record.id), join(paths.runtimeRoot(name), record.id)];
      while (left.some(existsSync)) await tick();
      while (Object.values(linux.cgroups.directories(paths.cgroup(record.id))).some(existsSync)) await tick();
    });

    it('stops, pauses and starts again', async () => {
      // Not before init handles signals, which it does by the time it has a child: the kernel drops a SIGTERM that process 1
      // has no handler for.
      const ready = join(rootfs, 'tmp', `ready-${name}`);
      rmSync(ready, { force: true });
      const command = ['sh', '-c', `touch /tmp/ready-${name}; exec sleep 60`];
      const record = await service.run(command, { Runtime: name, Init: true });
      while (!existsSync(ready)) await tick();
      await service.get(ContainerPauser).pause(record.id);
      expect(record.state).toMatchObject({ Status: 'paused', Running: true });
      await service.get(ContainerPauser).unpause(record.id);
      await service.get(ContainerStopper).stop(record.id, { signal: '', seconds: 10 });
      expect(record.state).toMatchObject({ Status: 'exited', ExitCode: 143 });
      await service.get(ContainerStarter).start(record.id);
      expect(record.state.Running).toBe(true);
      await service.get(ContainerStopper).kill(record.id, '');
      expect(record.state.ExitCode).toBe(137);
    });
  });

  it('publishes events in the order of dockerd', async () => {
    service.events.length = 0;
    const record = await service.run(['true'], { AutoRemove: true });
    await service.wait(record, 'removed');
    expect(service.events).toEqual(['create', 'start', 'die', 'destroy']);
  });

  it('restarts what fails, as often as asked', async () => {
    const policy = { Name: 'on-failure', MaximumRetryCount: 2 };
    const record = await service.run(['sh', '-c', 'exit 5'], { RestartPolicy: policy });
    // Each end is told, also that of a run which the policy has followed by another.
    await expect(service.wait(record)).resolves.toMatchObject({ statusCode: 5 });
    expect(record.state).toMatchObject({ Status: 'restarting', Running: true });
    while (record.state.Status !== 'exited') await service.wait(record);
    expect(record).toMatchObject({ restartCount: 2, state: { ExitCode: 5 } });
  });

  it('runs eight at once', async () => {
    const records = await Promise.all(
      Array.from({ length: 16 }, (_, index) => service.run(['sh', '-c', `exit ${index}`])),
    );
    const codes = await Promise.all(records.map(async (record) => (await service.wait(record)).statusCode));
    expect(codes).toEqual(records.map((_, index) => index));
  });

  it('restarts again what the host kept from starting, and says meanwhile that it will', async () => {
    const record = await service.run(['sh', '-c', 'exit 5'], { RestartPolicy: { Name: 'always' } });
    service.beforeMount = () => Promise.reject(unavailable('image-service is away'));
    while (!record.state.Error.includes('away')) await tick();
    const onDisk = () =>
      JSON.parse(readFileSync(service.get(MonitorPaths).record(record.id), 'utf8')) as ContainerRecord;
    expect(record.state).toMatchObject({ Status: 'restarting', Running: true, ExitCode: 128 });
    expect(onDisk().state).toMatchObject({ Status: 'restarting', Restarting: true });
    service.beforeMount = async () => {};
    while (record.state.Error !== '') await tick();
    await service.get(ContainerStopper).stop(record.id, { signal: '', seconds: 0 });
    expect(record.state).toMatchObject({ Status: 'exited', Running: false });
  }, 30_000);

  it('waits as long as a stop is told to, were it for years', async () => {
    const command = 'trap "sleep .2; exit 5" TERM; echo ready; while :; do sleep .05; done';
    const record = await service.run(['sh', '-c', command]);
    while (service.log(record) !== 'ready') await tick();
    await service.get(ContainerStopper).stop(record.id, { signal: '', seconds: 99_999_999 });
    expect(record.state).toMatchObject({ Status: 'exited', ExitCode: 5 });
  });

  it.each(['restart first', 'removal first'])(
    'ends what is removed while it is restarted: %s',
    async (order) => {
      const record = await service.run(['sleep', '60']);
      const stopper = service.get(ContainerStopper);
      const both = [
        () => stopper.restart(record.id, { signal: 'KILL', seconds: 10 }),
        () => stopper.remove(record.id, { force: true, volumes: true }),
      ];
      if (order === 'removal first') both.reverse();
      await Promise.allSettled(both.map((action) => action()));
      expect(service.get(ContainerStore).get(record.id)).toBeUndefined();
      expect(record.state).toMatchObject({ Running: false, Pid: 0 });
    },
  );

  it('a new life leaves a container alone whose record is broken', async () => {
    const record = await service.create(['true']);
    const file = service.get(MonitorPaths).record(record.id);
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, '');
    service.die();
    service = await new Service(directory, rootfs).open();
    expect(service.get(ContainerStore).get(record.id)).toBeUndefined();
    writeFileSync(file, text);
    service.die();
    service = await new Service(directory, rootfs).open();
    expect(service.get(ContainerStore).resolve(record.id).state.Status).toBe('created');
  });

  it('a new life gives back what a start took that was cut off', async () => {
    const record = await service.create(['true']);
    const mounting = new Promise<void>((reached) => {
      service.beforeMount = () => {
        reached();
        return new Promise(() => {}); // it is killed there
      };
    });
    void service.get(ContainerStarter).start(record.id);
    await mounting;
    service.die();
    service = await new Service(directory, rootfs).open();
    while (!service.unmounted.includes(record.id)) await tick();
    const found = service.get(ContainerStore).resolve(record.id);
    expect(found.state).toMatchObject({ Status: 'created', Running: false });
    await service.get(ContainerStarter).start(record.id);
    await expect(service.wait(found)).resolves.toMatchObject({ statusCode: 0 });
  });

  it('a new life finds what runs and what ended meanwhile', async () => {
    const fifo = join(rootfs, 'tmp/go');
    await linux.processes.run(['mkfifo', fifo]);
    const running = await service.run(['sleep', '60']);
    const ending = await service.run(['sh', '-c', 'read x < /tmp/go; echo late; exit 9']);
    service.die();
    writeFileSync(fifo, 'x\n');
    const paths = service.get(MonitorPaths);
    while (!existsSync(join(paths.exits, ending.id))) await tick();

    service = await new Service(directory, rootfs).open();
    const store = service.get(ContainerStore);
    await expect(service.wait(store.resolve(ending.id))).resolves.toMatchObject({ statusCode: 9 });
    expect(service.log(ending)).toBe('late');
    expect(store.resolve(running.id).state).toMatchObject({ Running: true, Pid: running.state.Pid });
    await service.get(ContainerStopper).kill(running.id, '');
    expect(store.resolve(running.id).state.ExitCode).toBe(137);
  });
});

const tick = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
