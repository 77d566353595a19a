import { writeFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { conflict, EngineError, internal, messageOf, notModified } from '@gantry/shared/errors';
import { fromJson } from '@gantry/shared/grpc';
import { LINUX, rootOf, type Linux } from '@gantry/shared/linux';
import { HostFactsProvider } from '../host-facts';
import { ContainerNetworks, idleSettings } from '../networks/container-networks';
import { linkEnvironment, linksOf } from '../networks/legacy-links';
import type { ContainerProcess, ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { timestamp } from '../records/timestamps';
import { isInScope } from '../runtime/cgroup-names';
import { Conmon, RuntimeCreateError, type MonitorRequest } from '../runtime/conmon';
import { ExitWatch } from '../runtime/exit-watch';
import { MonitorPaths } from '../runtime/monitor-paths';
import { OciRuntime } from '../runtime/oci-runtime';
import { runtimeDocument, startFailure, type StartFailure } from '@gantry/shared/oci';
import { Runtimes, type RuntimeChoice } from '../runtime/runtimes';
import { ServicePeers } from '../service-peers';
import { AppArmorProfiles } from '../spec/apparmor-profiles';
import { SpecBuilder } from '../spec/spec-builder';
import { ContainerCleaner } from './container-cleaner';
import { ContainerEvents } from './container-events';
import { ContainerFiles } from './container-files';
import { ContainerLifecycleEvents } from './container-lifecycle-events';
import { ContainerLocks } from './container-locks';
import { ContainerRemover } from './container-remover';
import { ImageMounts } from './image-mounts';
import { makeMountPoints } from './mount-points';
import { MountSources } from './mount-sources';
import { giveStreams, hostOwner } from './stream-owner';
import { UserRemapping } from './user-remapping';
import { VolumeMounts } from './volume-mounts';

/** Starts containers. Everything here happens under the container's lock. */
@Injectable()
export class ContainerStarter {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly store: ContainerStore,
    private readonly locks: ContainerLocks,
    private readonly paths: MonitorPaths,
    private readonly peers: ServicePeers,
    private readonly networks: ContainerNetworks,
    private readonly files: ContainerFiles,
    private readonly sources: MountSources,
    private readonly volumes: VolumeMounts,
    private readonly remapping: UserRemapping,
    private readonly images: ImageMounts,
    private readonly specs: SpecBuilder,
    private readonly appArmor: AppArmorProfiles,
    private readonly runtimes: Runtimes,
    private readonly conmon: Conmon,
    private readonly runtime: OciRuntime,
    private readonly exits: ExitWatch,
    private readonly cleaner: ContainerCleaner,
    private readonly remover: ContainerRemover,
    private readonly facts: HostFactsProvider,
    private readonly events: ContainerEvents,
    private readonly lifecycle: ContainerLifecycleEvents,
  ) {}

  /** By hand: what the restart policy counted begins anew. @throws NotModified where it runs already */
  async start(reference: string): Promise<ContainerRecord> {
    const { id } = this.store.resolve(reference);
    return this.locks.hold(id, async () => {
      const record = this.store.resolve(id);
      if (record.state.Paused) throw conflict('cannot start a paused container, try unpause instead');
      if (record.state.Running) throw notModified(`container ${id} is already running`);
      if (record.removal) throw conflict('container is marked for removal and cannot be started');
      record.restartCount = 0;
      record.stoppedByUser = false;
      await this.startLocked(record);
      return record;
    });
  }

  /**
   * For the restart policy and restart, which hold the lock already. `again`: whether a failure leaves the container waiting
   * for its next restart.
   */
  async startLocked(
    record: ContainerRecord,
    again: (failure: StartFailure) => boolean = () => false,
  ): Promise<void> {
    await this.cleaner.finished(record.id);
    // Whatever the start takes is given back by the next life of this service, should this one not get to its end.
    record.cleanupPending = true;
    record.signalledAt = undefined;
    await this.store.note(record);
    try {
      await this.run(record);
    } catch (error) {
      throw await this.failed(record, error, again);
    }
  }

  private async run(record: ContainerRecord): Promise<void> {
    const self = { containerId: record.id };
    const runtime = this.runtimes.choose(record.hostConfig.Runtime);
    const { defaults } = this.facts.get();
    const remap = this.remapping.of(record);
    const links = linkEnvironment(record, linksOf(record, this.store));
    const [snapshot, network] = await Promise.all([
      this.peers.snapshots.mount({ ...self, remapped: remap !== undefined }),
      this.networks.attach(record),
      this.images.mount(record),
      this.volumes.mountForRun(record),
      this.appArmor.prepare(record),
    ]);
    record.rootfs = snapshot.rootfs;
    if (snapshot.graphDriver.length > 0) record.graphDriver = fromJson<object>(snapshot.graphDriver);
    const networkFiles = this.files.writeNetworkFiles(record, network);
    const spec = this.specs.build(record, {
      rootfs: snapshot.rootfs,
      mounts: this.sources.prepare(record),
      runtime,
      netns: network?.netnsPath || undefined,
      remap,
      hostname: record.config.Hostname,
      linkEnvironment: links,
      init: (record.hostConfig.Init ?? defaults.init) ? this.initProgram() : undefined,
      noNewPrivileges: defaults.noNewPrivileges,
      shm: this.files.prepareShm(record),
      hosts: networkFiles.hosts,
      resolvConf: networkFiles.resolvConf,
      hostnameFile: networkFiles.hostname,
    });
    const makePoints = (): void => makeMountPoints(this.linux, snapshot.rootfs, spec.mounts);
    if (remap) this.linux.credentials.as(rootOf(remap.mapping), makePoints);
    else makePoints();
    writeFileSync(this.paths.spec(record.id), runtimeDocument(spec), { mode: 0o600 });
    this.exits.taken(record.id); // of an earlier run that a kill of this service left
    const { pid, monitorPid } = await this.conmon.create(monitorRequest(record, runtime));
    record.process = {
      ...this.processOf(record, pid, monitorPid, runtime),
      ...(spec.hooks ? { hooked: true } : {}),
      ...(remap && { idMapping: remap.mapping }),
    };
    const owner = hostOwner(remap?.mapping, spec.process.user);
    if (owner) giveStreams(pid, owner);
    record.cleanupPending = undefined;
    Object.assign(record.state, {
      Status: 'running',
      Running: true,
      Restarting: false,
      OOMKilled: false,
      Pid: pid,
      ExitCode: 0,
      Error: '',
      StartedAt: timestamp(),
    });
    // Before the process begins: whatever happens from here on, the next start of this service knows of it.
    await this.store.persist(record);
    await this.lifecycle.beforeStart(record);
    this.exits.expect(record.id, record.process);
    await this.runtime.start(record.id, record.process.hooked ? { ...runtime, fastPath: false } : runtime);
    this.events.publish(record, 'start');
    this.lifecycle.emit('started', record);
  }

  private initProgram(): string {
    const program = this.facts.initProgram();
    if (!program) throw internal('--init needs docker-init, tini or catatonit on the host');
    return program;
  }

  private processOf(
    { id, hostConfig }: ContainerRecord,
    pid: number,
    monitorPid: number,
    runtime: RuntimeChoice,
  ): ContainerProcess {
    return {
      pid,
      startTime: this.linux.processes.startTime(pid) ?? 0,
      monitorPid,
      monitorStartTime: this.linux.processes.startTime(monitorPid) ?? 0,
      runtime: runtime.name,
      cgroup: this.groupOf(pid, this.paths.cgroup(id, hostConfig.CgroupParent)),
      bootId: this.facts.bootId,
    };
  }

  /** In a scope of systemd's it is for the runtime where the processes are. */
  private groupOf(pid: number, named: string): string {
    return isInScope(named) ? (this.linux.cgroups.pathOf(pid, 'memory') ?? named) : named;
  }

  /** Gives back what was taken, and leaves in the record why. */
  private async failed(
    record: ContainerRecord,
    cause: unknown,
    again: (failure: StartFailure) => boolean,
  ): Promise<EngineError> {
    const failure =
      cause instanceof RuntimeCreateError
        ? startFailure(cause.message, [record.path, ...record.args])
        : { error: cause instanceof EngineError ? cause : internal(messageOf(cause), cause), exitCode: 128 };
    const { error, exitCode } = failure;
    const restarts = again(failure);
    const ended = record.state.FinishedAt.startsWith('0001') ? 'created' : 'exited';
    this.exits.forget(record.id);
    Object.assign(record.state, {
      Status: restarts ? 'restarting' : ended,
      Running: restarts,
      Restarting: restarts,
      Pid: 0,
      ExitCode: exitCode,
      Error: error.message,
    });
    record.networkSettings = idleSettings(record);
    record.cleanupPending = true;
    await this.store.settle(record);
    this.lifecycle.emit('startFailed', record);
    await this.cleaner.begin(record);
    if (record.hostConfig.AutoRemove) await this.remover.removeLocked(record, { volumes: true });
    return error;
  }
}

function monitorRequest(record: ContainerRecord, runtime: RuntimeChoice): MonitorRequest {
  const { config, hostConfig } = record;
  return {
    id: record.id,
    name: record.name,
    runtime,
    terminal: config.Tty,
    stdin: config.OpenStdin,
    // A terminal's input has no end: the next client types on where the last one left.
    keepStdin: !config.StdinOnce || config.Tty,
    log: hostConfig.LogConfig.Type === 'none' ? { kind: 'none' } : { kind: 'file' },
  };
}
