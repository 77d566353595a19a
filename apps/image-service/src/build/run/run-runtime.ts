import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { unavailable } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { DEFAULT_CAPABILITIES, DefaultAppArmorProfile, type OciSpec } from '@gantry/shared/oci';

export interface RunRuntime {
  path: string;
  seccomp: Pick<OciSpec, 'annotations'> & { profile?: OciSpec['linux']['seccomp'] };
  /** Of AppArmor; undefined where this host has none. */
  appArmorProfile?: string;
}

/** Of the names of build steps on the host; the rest says whose they are (see process-names). */
export const RUN_PREFIX = 'build-';
/** A file beside the runtime's directories: the parent of a process's cgroup, where that is not the instance's. */
const PLACE = '.cgroup';
/** In the order in which container-service prefers them. */
const CANDIDATES = ['crun', 'runc'];
/** The versions of crun that are known to take a compiled seccomp program. */
const FAST_CRUN = /version 1\.([4-9]|1\d|2\d)(\.|\s|$)/;

/** The OCI runtime for build steps and where it keeps what it runs. */
@Injectable()
export class RunRuntimes {
  /** `--root` of the runtime; one directory a process that runs. */
  readonly state: string;
  private known?: Promise<RunRuntime>;
  private readonly appArmor: DefaultAppArmorProfile;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Linux,
  ) {
    this.state = join(config.runDir, 'build');
    this.appArmor = new DefaultAppArmorProfile(linux, config.instance);
  }

  /** Of a process, or, without a name, where they are. */
  cgroup(name = ''): string {
    const elsewhere = name === '' ? undefined : this.parentOf(name);
    return elsewhere === undefined ? join(this.config.cgroupParent, 'build', name) : join(elsewhere, name);
  }

  /** Says where the cgroup of a process will be, and keeps it for whoever has to end that. */
  place(name: string, parent: string): string {
    if (parent !== '') writeFileSync(this.placeFile(name), parent, { mode: 0o600 });
    return this.cgroup(name);
  }

  forget(name: string): void {
    rmSync(this.placeFile(name), { force: true });
  }

  /** The names of processes whose cgroups are elsewhere. */
  placed(): string[] {
    if (!existsSync(this.state)) return [];
    return readdirSync(this.state)
      .filter((file) => file.endsWith(PLACE))
      .map((file) => file.slice(0, -PLACE.length));
  }

  private parentOf(name: string): string | undefined {
    const file = this.placeFile(name);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  private placeFile(name: string): string {
    return join(this.state, `${name}${PLACE}`);
  }

  /** @throws Unavailable where there is none */
  async choose(): Promise<RunRuntime> {
    this.known ??= this.find().catch((error: unknown) => {
      this.known = undefined;
      throw error;
    });
    const runtime = await this.known;
    await this.appArmor.ensure(runtime.appArmorProfile);
    return runtime;
  }

  private async find(): Promise<RunRuntime> {
    mkdirSync(this.state, { recursive: true, mode: 0o711 });
    for (const name of CANDIDATES) {
      const path = this.linux.host.which(name);
      if (!path) continue;
      const appArmorProfile = this.appArmor.available() ? this.appArmor.name : undefined;
      return { path, seccomp: await this.seccompFor(name, path), appArmorProfile };
    }
    throw unavailable('no OCI runtime (crun, runc) is on this host');
  }

  private async seccompFor(name: string, path: string): Promise<RunRuntime['seccomp']> {
    if (!this.linux.host.hasSeccomp()) return {};
    const profile = this.linux.seccomp.defaultProfile(DEFAULT_CAPABILITIES);
    const { stdout } = await this.linux.processes.run([path, '--version']);
    if (name !== 'crun' || !FAST_CRUN.test(stdout)) return { profile };
    // Compiling it anew for each process costs more than the process.
    const program = this.linux.seccomp.compile(profile)?.toString('base64');
    return program ? { annotations: { 'run.oci.seccomp_bpf_data': program } } : { profile };
  }
}
