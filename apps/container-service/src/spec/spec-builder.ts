import { Inject, Injectable } from '@nestjs/common';
import type { UserRemap } from '@gantry/shared/config';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { conflict, internal } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { DeviceRequests } from '../cdi/device-requests';
import type { ContainerMount, ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { ociCgroupsPath } from '../runtime/cgroup-names';
import type { RuntimeChoice } from '../runtime/runtimes';
import {
  containerCapabilities,
  type OciNamespace,
  type OciProcess,
  type OciSpec,
  processEnvironment,
  refuseMountsOnProc,
  resolveUser,
} from '@gantry/shared/oci';
import { planDevices } from './devices';
import { keepRestrictions, ociMounts, rootfsPropagation } from './mounts';
import { ociResources, rlimits } from './resources';
import { SeccompProfiles } from './seccomp-profile';
import { makeWorkingDirectory } from './working-directory';
import { parseSecurityOptions, type SecurityOptions } from './security-options';

/** What is known only when a container starts. */
export interface StartFacts {
  rootfs: string;
  /** Those of the record, with the sources that the runtime is to use. */
  mounts: ContainerMount[];
  runtime: RuntimeChoice;
  /** The container's network namespace; undefined: the host's (or, by NetworkMode, another container's). */
  netns?: string;
  /** The user namespace; undefined: the host's. */
  remap?: UserRemap;
  hostname: string;
  linkEnvironment: string[];
  /** Host path of the program for `--init`. */
  init?: string;
  /** For a container that does not say. */
  noNewPrivileges: boolean;
  /** Host directory for /dev/shm, where it is not the container's own. */
  shm?: string;
  hosts: string;
  resolvConf: string;
  hostnameFile: string;
}

const INIT_IN_CONTAINER = '/sbin/docker-init';

/** Writes the OCI specification of a container that starts. The root file system is mounted by then. */
@Injectable()
export class SpecBuilder {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly store: ContainerStore,
    @Inject(INSTANCE_CONFIG) private readonly instance: InstanceConfig,
    private readonly seccomp: SeccompProfiles,
    private readonly devices: DeviceRequests,
  ) {}

  build(record: ContainerRecord, facts: StartFacts): OciSpec {
    const { config, hostConfig } = record;
    const security = parseSecurityOptions(hostConfig.SecurityOpt, hostConfig.Privileged);
    const capabilities = containerCapabilities(hostConfig.CapAdd, hostConfig.CapDrop, hostConfig.Privileged);
    const devices = planDevices(hostConfig);
    const spec: OciSpec = {
      ociVersion: '1.0.2',
      process: this.process(record, facts, security, capabilities),
      root: { path: facts.rootfs, readonly: hostConfig.ReadonlyRootfs },
      mounts: ociMounts(hostConfig, facts.mounts, {
        resolvConf: facts.resolvConf,
        hostname: facts.hostnameFile,
        hosts: facts.hosts,
        shm: facts.shm,
        writableCgroups: security.writableCgroups ?? hostConfig.Privileged,
        readonlyBelow: this.linux.mounts.canSetBelow(),
        init: facts.init,
      }),
      linux: {
        namespaces: this.namespaces(record, facts),
        cgroupsPath: ociCgroupsPath(this.instance, record.id, hostConfig.CgroupParent),
        resources: { devices: devices.rules, ...ociResources(hostConfig) },
        devices: devices.devices,
        sysctl: sysctls(record, facts),
        maskedPaths: hostConfig.MaskedPaths ?? undefined,
        readonlyPaths: hostConfig.ReadonlyPaths ?? undefined,
        rootfsPropagation: rootfsPropagation(facts.mounts),
      },
    };
    if (hostConfig.UTSMode !== 'host') {
      spec.hostname = facts.hostname;
      spec.domainname = config.Domainname || undefined;
    }
    spec.annotations = { ...hostConfig.Annotations };
    this.devices.addTo(spec, hostConfig);
    refuseMountsOnProc(spec);
    spec.mounts = spec.mounts.map((mount) => keepRestrictions(this.linux.mounts, mount));
    this.addSeccomp(spec, security, capabilities, facts.runtime);
    return spec;
  }

  private process(
    record: ContainerRecord,
    facts: StartFacts,
    security: SecurityOptions,
    capabilities: string[],
  ): OciProcess {
    const { config, hostConfig } = record;
    const user = resolveUser(this.linux.paths, facts.rootfs, config.User, hostConfig.GroupAdd);
    const args = [record.path, ...record.args];
    const [height, width] = hostConfig.ConsoleSize;
    const privilegedSets = user.uid === 0 ? { effective: capabilities, permitted: capabilities } : {};
    return {
      terminal: config.Tty,
      consoleSize: config.Tty && height && width ? { height, width } : undefined,
      user: {
        uid: user.uid,
        gid: user.gid,
        additionalGids: user.additionalGids,
        umask: hostConfig.Umask,
      },
      args: facts.init ? [INIT_IN_CONTAINER, '--', ...args] : args,
      env: processEnvironment(config.Env, {
        hostname: facts.hostname,
        tty: config.Tty,
        home: user.home,
        links: facts.linkEnvironment,
      }),
      cwd: makeWorkingDirectory(this.linux, facts.rootfs, config.WorkingDir, facts.remap?.mapping),
      capabilities: { bounding: capabilities, ...privilegedSets },
      rlimits: rlimits(hostConfig.Ulimits),
      noNewPrivileges: security.noNewPrivileges ?? facts.noNewPrivileges,
      oomScoreAdj: hostConfig.OomScoreAdj,
      apparmorProfile: record.appArmorProfile,
    };
  }

  private namespaces({ hostConfig }: ContainerRecord, facts: StartFacts): OciNamespace[] {
    const namespaces: OciNamespace[] = [{ type: 'mount' }];
    if (facts.remap) namespaces.push({ type: 'user', path: facts.remap.namespace });
    const network = facts.netns ?? this.joined(hostConfig.NetworkMode, 'net', 'network');
    if (network !== undefined) namespaces.push({ type: 'network', path: network });
    if (hostConfig.UTSMode !== 'host') namespaces.push({ type: 'uts' });
    if (hostConfig.PidMode !== 'host') {
      namespaces.push({ type: 'pid', path: this.joined(hostConfig.PidMode, 'pid', 'PID') });
    }
    if (hostConfig.IpcMode !== 'host') {
      namespaces.push({ type: 'ipc', path: this.joined(hostConfig.IpcMode, 'ipc', 'IPC') });
    }
    if (hostConfig.CgroupnsMode === 'private') namespaces.push({ type: 'cgroup' });
    return namespaces;
  }

  /** The namespace of `container:<reference>`; undefined for every other mode. */
  private joined(mode: string, file: string, kind: string): string | undefined {
    if (!mode.startsWith('container:')) return undefined;
    const target = this.store.resolve(mode.slice('container:'.length));
    if (!target.state.Running || target.state.Pid === 0) {
      throw internal(`failed to join ${kind} namespace: container ${target.id} is not running`);
    }
    if (target.state.Restarting) {
      throw conflict(`Container ${target.id} is restarting, wait until the container is running`);
    }
    return `/proc/${target.state.Pid}/ns/${file}`;
  }

  private addSeccomp(
    spec: OciSpec,
    security: SecurityOptions,
    capabilities: string[],
    runtime: RuntimeChoice,
  ): void {
    if (!this.linux.host.hasSeccomp()) return;
    const program = runtime.fastPath ? this.seccomp.program(security.seccomp, capabilities) : undefined;
    if (program) {
      spec.annotations = { ...spec.annotations, 'run.oci.seccomp_bpf_data': program };
    } else {
      spec.linux.seccomp = this.seccomp.profile(security.seccomp, capabilities);
    }
  }
}

/** A container's own network namespace lets anybody ping and bind low ports, as in Docker since 20.10. */
function sysctls(
  { hostConfig }: ContainerRecord,
  { netns, remap }: StartFacts,
): Record<string, string> | undefined {
  const groups = remap?.mapping.gids.reduce((count, { size }) => count + size, 0) ?? 2 ** 31;
  const defaults: Record<string, string> =
    netns === undefined
      ? {}
      : {
          'net.ipv4.ip_unprivileged_port_start': '0',
          'net.ipv4.ping_group_range': `0 ${groups - 1}`,
        };
  return { ...defaults, ...hostConfig.Sysctls };
}
