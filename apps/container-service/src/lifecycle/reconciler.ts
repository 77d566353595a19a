import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerCreator } from '../create/container-creator';
import { HostFactsProvider } from '../host-facts';
import type { ContainerRecord } from '../records/container-record';
import { NEVER } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { RecordFiles } from '../records/record-files';
import { timestamp } from '../records/timestamps';
import { ExitWatch } from '../runtime/exit-watch';
import { MonitorPaths } from '../runtime/monitor-paths';
import { OciRuntime } from '../runtime/oci-runtime';
import { Runtimes } from '../runtime/runtimes';
import { ServicePeers } from '../service-peers';
import { ContainerCleaner } from './container-cleaner';
import { ContainerExits } from './container-exits';
import { ContainerLifecycleEvents } from './container-lifecycle-events';
import { ContainerLocks } from './container-locks';
import { ContainerRemover } from './container-remover';
import { layersOf } from './image-mounts';
import { MountSources } from './mount-sources';
import { wantsStartAtBoot } from './restart-policy';

/** What dockerd shows for a container that a reboot of the host ended. */
const ENDED_WITH_THE_HOST = 255;
/** How long to wait for other services that are not up yet, milliseconds. */
const RETRY_MS = 2_000;

/** Puts memory right with disk and kernel when this service starts, and takes up what its last life left. */
@Injectable()
export class Reconciler {
  private stopped = false;

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly store: ContainerStore,
    private readonly files: RecordFiles,
    private readonly paths: MonitorPaths,
    private readonly facts: HostFactsProvider,
    private readonly runtime: OciRuntime,
    private readonly runtimes: Runtimes,
    private readonly exitWatch: ExitWatch,
    private readonly exits: ContainerExits,
    private readonly cleaner: ContainerCleaner,
    private readonly remover: ContainerRemover,
    private readonly creator: ContainerCreator,
    private readonly locks: ContainerLocks,
    private readonly lifecycle: ContainerLifecycleEvents,
    private readonly peers: ServicePeers,
    private readonly sources: MountSources,
  ) {}

  /** Before the first request. Does not need the other services. */
  async run(): Promise<void> {
    const rebooted = this.isNewBoot();
    const records = this.files.readAll();
    for (const record of records) this.store.add(record);
    this.exits.open();
    for (const record of records) await this.takeUp(record, rebooted);
    if (rebooted) writeFileSync(this.bootFile, this.facts.bootId);
    for (const id of this.files.removing()) this.remover.resume(id);
    this.sources.releaseUnused((id) => this.store.get(id)?.state.Running ?? false);
    void this.releaseOrphans();
  }

  stop(): void {
    this.stopped = true;
  }

  private async takeUp(record: ContainerRecord, rebooted: boolean): Promise<void> {
    if (record.removal) return this.removeInBackground(record);
    const { process, state } = record;
    if (state.Running && !state.Restarting && process && process.bootId === this.facts.bootId) {
      const alive = this.linux.processes.isAlive(process.monitorPid, process.monitorStartTime);
      if (alive) await this.adopt(record);
      else this.lifecycle.emit('foundEnded', record);
      this.exitWatch.expect(record.id, process);
      return;
    }
    this.lifecycle.emit('foundEnded', record);
    if (state.Running && !state.Restarting) await this.markEndedWithHost(record);
    if (state.Restarting) {
      this.exits.scheduleRestart(record, 0);
    } else if (
      rebooted &&
      wantsStartAtBoot(record.hostConfig.RestartPolicy, {
        exitCode: state.ExitCode,
        stoppedByUser: record.stoppedByUser,
        restarts: record.restartCount,
      })
    ) {
      if (state.StartedAt !== NEVER) await this.exits.startAtBoot(record);
    } else if (record.hostConfig.AutoRemove && state.StartedAt !== NEVER) {
      return this.removeInBackground(record);
    }
    if (record.cleanupPending) void this.cleaner.begin(record);
    else await this.clearFailedStart(record);
  }

  /** Its process may still wait for the byte that our last life did not get to write. */
  private async adopt(record: ContainerRecord): Promise<void> {
    const runtime = this.runtimes.all().find(({ name }) => name === record.process?.runtime);
    try {
      if (runtime && this.runtime.isWaiting(record.id, runtime)) {
        await this.lifecycle.beforeStart(record);
        await this.runtime.start(record.id, runtime);
      }
    } catch (error) {
      this.logger.warn({ err: error, container: record.id }, 'a container found half started does not begin');
    }
    this.lifecycle.emit('adopted', record);
  }

  /** A start that was cut off before the record knew of its processes. */
  private async clearFailedStart(record: ContainerRecord): Promise<void> {
    if (this.runtimes.all().some((runtime) => this.runtime.knows(record.id, runtime))) {
      record.cleanupPending = true;
      void this.cleaner.begin(record);
    }
  }

  private async markEndedWithHost(record: ContainerRecord): Promise<void> {
    Object.assign(record.state, {
      Status: 'exited',
      Running: false,
      Paused: false,
      Pid: 0,
      ExitCode: ENDED_WITH_THE_HOST,
      FinishedAt: timestamp(),
    });
    record.cleanupPending = true;
    await this.store.settle(record);
  }

  private removeInBackground(record: ContainerRecord): void {
    this.locks
      .hold(record.id, () => this.remover.removeLocked(record, record.removal ?? { volumes: true }))
      .catch((error: unknown) => this.logger.warn({ err: error, container: record.id }, 'not removed'));
  }

  private get bootFile(): string {
    return join(this.paths.containers, 'boot-id');
  }

  /** Whether the host has booted since all containers were last taken up, or never were. */
  private isNewBoot(): boolean {
    mkdirSync(this.paths.volatile, { recursive: true, mode: 0o711 });
    mkdirSync(this.paths.containers, { recursive: true, mode: 0o710 });
    try {
      return readFileSync(this.bootFile, 'utf8') !== this.facts.bootId;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return true;
      throw error;
    }
  }

  /** What the other services hold for containers that never came to be. They may come up later than we do. */
  private async releaseOrphans(): Promise<void> {
    const tasks = [
      async () => {
        const { snapshots } = await this.peers.snapshots.list({});
        const images = new Set(this.store.all().flatMap(layersOf));
        for (const { containerId } of this.orphans(snapshots.filter((each) => !images.has(each.containerId))))
          await this.peers.snapshots.remove({ containerId });
      },
      async () => {
        const { sandboxes } = await this.peers.sandboxes.list({});
        for (const { containerId } of this.orphans(sandboxes.filter(({ owner }) => owner === '')))
          await this.peers.sandboxes.release({ containerId });
      },
      async () => {
        const { attachments } = await this.peers.volumes.list({});
        for (const { containerId } of this.orphans(attachments)) {
          await this.peers.volumes.release({ containerId, removeAnonymous: true });
        }
        const mounted = attachments.filter((attachment) => attachment.mounted);
        for (const id of new Set(mounted.map(({ containerId }) => containerId))) await this.unmountUnused(id);
      },
    ];
    for (const task of tasks) {
      while (!this.stopped && !(await succeeds(task))) {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
  }

  /** Mounted by a start or a copy that our last life did not finish. */
  private async unmountUnused(id: string): Promise<void> {
    await this.locks.hold(id, async () => {
      const record = this.store.get(id);
      if (record && !record.state.Running) await this.peers.volumes.unmount({ containerId: id });
    });
  }

  private orphans<T extends { containerId: string }>(held: T[]): T[] {
    const removing = new Set(this.files.removing());
    return held.filter(
      ({ containerId: id }) =>
        !this.store.get(id) && !this.files.has(id) && !this.creator.isCreating(id) && !removing.has(id),
    );
  }
}

async function succeeds(task: () => Promise<void>): Promise<boolean> {
  try {
    await task();
    return true;
  } catch {
    return false;
  }
}
