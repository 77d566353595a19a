import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { invalidArgument, unavailable } from '@gantry/shared/errors';
import { bootId } from '@gantry/shared/faults';
import { LINUX, MountFlag, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ociCgroupsPath } from './cgroup-names';
import { MonitorPaths } from './monitor-paths';

/** An OCI runtime of this host. */
export interface RuntimeChoice {
  /** `crun` or `runc`. */
  name: string;
  path: string;
  version: string;
  /**
   * Whether its containers may be started by writing into exec.fifo, deleted by hand and given a compiled seccomp
   * program (crun's own layout, docs/architecture.md "Hot path"); else the plain commands are used.
   */
  fastPath: boolean;
  /** Environment of the runtime. */
  env: Record<string, string>;
}

const CANDIDATES = ['crun', 'runc'];
/** The versions of crun whose state directory, exec.fifo and seccomp annotation are known to be as the fast path wants. */
const FAST_CRUN = /^1\.([4-9]|1\d|2\d)(\.|$)/;
/** For a runtime that hangs; a sound one takes so long only where the host has nothing left. */
const PROBE_LIMIT_MS = 60_000;
const RUNTIME_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Finds the OCI runtimes that really run a container here; the first is the default. */
@Injectable()
export class Runtimes {
  private readonly usable: RuntimeChoice[] = [];

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly paths: MonitorPaths,
  ) {}

  /** Runs each once. */
  async probe(): Promise<void> {
    for (const step of this.linux.cgroups.prepareHost()) this.logger.info(step);
    for (const name of CANDIDATES) {
      const path = this.linux.host.which(name);
      if (!path) continue;
      const failure = await this.tryOut(name, path);
      if (failure === undefined) this.usable.push(await this.describe(name, path));
      else this.logger.warn({ runtime: name, reason: failure }, 'OCI runtime does not work on this host');
    }
    this.logger.info(
      { runtimes: this.usable.map(({ name, version }) => `${name} ${version}`) },
      'OCI runtimes',
    );
  }

  all(): RuntimeChoice[] {
    return this.usable;
  }

  /** `''` means the default. @throws InvalidArgument in Docker's words. */
  choose(name: string): RuntimeChoice {
    const wanted = name === '' ? this.usable[0] : this.usable.find((runtime) => runtime.name === name);
    if (wanted) return wanted;
    if (this.usable.length === 0) throw unavailable('no OCI runtime (crun, runc) works on this host');
    throw invalidArgument(`unknown or invalid runtime name: ${name}`);
  }

  private async describe(name: string, path: string): Promise<RuntimeChoice> {
    const { stdout } = await this.linux.processes.run([path, '--version']);
    const version = /version ([\w.+~-]+)/.exec(stdout)?.[1] ?? 'unknown';
    const fastPath = name === 'crun' && FAST_CRUN.test(version) && this.linux.seccomp.available();
    const env = { PATH: RUNTIME_PATH };
    if (!fastPath) return { name, path, version, fastPath, env };
    return { name, version, fastPath, ...this.readonlyCopy(name, path, env) };
  }

  /**
   * crun copies itself into memory at each run, so that a container cannot overwrite it through /proc/self/exe, unless it
   * runs from a read-only mount: that saves 3 ms a container.
   */
  private readonlyCopy(name: string, path: string, env: Record<string, string>) {
    const target = join(this.paths.volatile, 'runtimes', `${name}.readonly`);
    try {
      if (!existsSync(target)) writeFileSync(target, '');
      this.linux.mounts.detach(target);
      this.linux.mounts.mount(path, target, '', MountFlag.BIND);
      this.linux.mounts.mount('', target, '', MountFlag.BIND | MountFlag.REMOUNT | MountFlag.RDONLY);
      return { path: target, env: { ...env, _LIBCONTAINER_CLONED_BINARY: '1' } };
    } catch (error) {
      this.logger.warn({ err: error }, 'no read-only mount of the runtime');
      return { path, env };
    }
  }

  /** A container of the host's own files that does nothing. Returns what went wrong. */
  private async tryOut(name: string, path: string): Promise<string | undefined> {
    const root = this.paths.runtimeRoot(name);
    const bundle = join(this.paths.volatile, 'runtimes', `${name}.probe`);
    const id = `probe-${name}`;
    mkdirSync(root, { recursive: true, mode: 0o700 });
    const done = join(bundle, 'works');
    const key = `${bootId()} ${path} ${this.config.cgroupDriver}`;
    if (existsSync(done) && readFileSync(done, 'utf8') === key) return undefined;
    mkdirSync(join(bundle, 'rootfs'), { recursive: true });
    writeFileSync(
      join(bundle, 'config.json'),
      JSON.stringify(probeSpec(ociCgroupsPath(this.config, id, ''))),
    );
    const command = [
      path,
      '--root',
      root,
      ...(this.config.cgroupDriver === 'systemd' ? ['--systemd-cgroup'] : []),
    ];
    await this.linux.processes.run([...command, 'delete', '--force', id]);
    const result = await this.linux.processes.run([...command, 'run', '--bundle', bundle, id], {
      cwd: bundle,
      timeoutMs: PROBE_LIMIT_MS,
    });
    if (result.code !== 0) {
      await this.linux.processes.run([...command, 'delete', '--force', id]);
      rmSync(bundle, { recursive: true, force: true });
      if (result.code === null) return `did not end within ${PROBE_LIMIT_MS / 1000} s`;
      return result.stderr.trim() || `exit code ${result.code}`;
    }
    writeFileSync(done, key);
    return undefined;
  }
}

/** The host's programs and libraries, read-only, below an empty root. */
function probeSpec(cgroupsPath: string): object {
  const mounts = ['/usr', '/bin', '/lib', '/lib64']
    .filter((path) => existsSync(path))
    .map((path) => ({
      destination: path,
      type: 'bind',
      source: realpathSync(path),
      options: ['bind', 'ro'],
    }));
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ['/bin/true'],
      env: [`PATH=${RUNTIME_PATH}`],
      cwd: '/',
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: false },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755', 'size=65536k'] },
      ...mounts,
    ],
    linux: {
      namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'ipc' }],
      cgroupsPath,
      resources: { devices: [{ allow: false, access: 'rwm' }] },
    },
  };
}
