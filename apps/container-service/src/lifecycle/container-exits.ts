import { Inject, Injectable } from '@nestjs/common';
import { isKind, messageOf } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { idleSettings } from '../networks/container-networks';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { millisOf, timestamp } from '../records/timestamps';
import { ExitWatch, type ContainerExit } from '../runtime/exit-watch';
import { ContainerCleaner } from './container-cleaner';
import { ContainerEvents } from './container-events';
import { ContainerLifecycleEvents } from './container-lifecycle-events';
import { ContainerLocks } from './container-locks';
import { ContainerRemover } from './container-remover';
import { ContainerStarter } from './container-starter';
import { ContainerWaiters } from './container-waiters';
import { endedBySignal, restartDelay, wantsRestart } from './restart-policy';
import { SIGKILL } from '@gantry/shared/signals';

/** Exit code of a container whose monitor was killed before it could tell. */
const KILLED = 128 + SIGKILL;

/** What happens when a container ends: its state, who waits for it, and what its restart policy wants. */
@Injectable()
export class ContainerExits {
  private readonly restarts = new Map<string, { timer?: NodeJS.Timeout; delay: number }>();
  /** Being stopped by `restart`: neither the policy nor AutoRemove has a say. */
  private readonly restartingByUser = new Map<string, number>();
  private closing = false;

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly store: ContainerStore,
    private readonly locks: ContainerLocks,
    private readonly exits: ExitWatch,
    private readonly cleaner: ContainerCleaner,
    private readonly starter: ContainerStarter,
    private readonly remover: ContainerRemover,
    private readonly waiters: ContainerWaiters,
    private readonly events: ContainerEvents,
    private readonly lifecycle: ContainerLifecycleEvents,
  ) {}

  /** Begins to hear of exits. */
  open(): void {
    this.exits.open((id, exit) => {
      this.locks
        .hold(id, async () => this.ended(id, exit))
        .catch((error: unknown) => this.logger.error({ err: error, container: id }, 'exit not handled'));
    });
  }

  /** Containers go on; their policies are this service's next life's business. */
  close(): void {
    this.closing = true;
    for (const restart of this.restarts.values()) clearTimeout(restart.timer);
  }

  async withoutPolicy<T>(id: string, action: () => Promise<T>): Promise<T> {
    this.restartingByUser.set(id, (this.restartingByUser.get(id) ?? 0) + 1);
    try {
      return await action();
    } finally {
      const others = (this.restartingByUser.get(id) ?? 1) - 1;
      if (others > 0) this.restartingByUser.set(id, others);
      else this.restartingByUser.delete(id);
    }
  }

  /** A restart that waits for its delay does not happen; the container counts as ended. Under the lock. */
  async cancelRestart(record: ContainerRecord): Promise<void> {
    const pending = this.restarts.get(record.id);
    clearTimeout(pending?.timer);
    this.restarts.delete(record.id);
    if (!record.state.Restarting) return;
    Object.assign(record.state, { Status: 'exited', Running: false, Restarting: false });
    await this.store.settle(record);
    this.waiters.exited(record);
  }

  forget(id: string): void {
    clearTimeout(this.restarts.get(id)?.timer);
    this.restarts.delete(id);
  }

  /** Under the lock. */
  async ended(id: string, exit: ContainerExit): Promise<void> {
    const record = this.store.get(id);
    if (!record?.process || !record.state.Running) return this.exits.taken(id);
    const exitCode = exit.exitCode ?? KILLED;
    const toldOom = record.state.OOMKilled;
    const oomKilled = toldOom || exit.oomKilled || this.oomKills(record.process.cgroup) > 0;
    const ran = Math.max(0, Date.now() - millisOf(record.state.StartedAt));
    if (endedBySignal(record)) record.stoppedByUser = true;
    const again = this.wantsRestart(record, exitCode, ran);
    Object.assign(record.state, {
      Status: again ? 'restarting' : 'exited',
      Running: again,
      Restarting: again,
      Paused: false,
      OOMKilled: oomKilled,
      Pid: 0,
      ExitCode: exitCode,
      FinishedAt: timestamp(),
    });
    record.networkSettings = idleSettings(record);
    record.cleanupPending = true;
    // The next life of this service finds the end in the exit file until the record tells it.
    if (await this.store.settle(record)) this.exits.taken(id);
    if (oomKilled && !toldOom) this.events.publish(record, 'oom');
    this.events.publish(record, 'die', {
      exitCode: String(exitCode),
      execDuration: String(Math.floor(ran / 1000)),
    });
    this.lifecycle.emit('exited', record);
    this.waiters.exited(record);
    if (record.hostConfig.AutoRemove && !again && !this.restartingByUser.has(id)) {
      await this.remover.removeLocked(record, { volumes: true });
      this.waiters.removedItself(record);
      return;
    }
    void this.cleaner.begin(record);
    if (again) this.scheduleRestart(record, ran);
  }

  /** For a container found with a restart due. */
  scheduleRestart(record: ContainerRecord, ran: number, { counted = true } = {}): void {
    const previous = record.restartCount === 0 ? 0 : (this.restarts.get(record.id)?.delay ?? 0);
    const delay = restartDelay(previous, ran);
    const timer = setTimeout(() => {
      this.locks
        .hold(record.id, () => this.restartNow(record, counted))
        .catch((error: unknown) =>
          this.logger.warn({ container: record.id, reason: messageOf(error) }, 'restart by policy failed'),
        );
    }, delay);
    this.restarts.set(record.id, { timer, delay });
  }

  private async restartNow(record: ContainerRecord, counted: boolean): Promise<void> {
    if (!record.state.Restarting || this.store.get(record.id) !== record || this.closing) return;
    if (counted) record.restartCount += 1;
    try {
      // What says nothing about the container counts as a run that failed: the policy says whether there is another.
      await this.starter.startLocked(
        record,
        ({ error, exitCode }) => isOfTheHost(error) && this.wantsRestart(record, exitCode, 0),
      );
    } catch (error) {
      this.waiters.exited(record);
      if (this.store.get(record.id) === record && record.state.Restarting) this.scheduleRestart(record, 0);
      throw error;
    }
  }

  /** After a boot of the host; not one of the restarts that are counted. Under nobody's eyes yet. */
  async startAtBoot(record: ContainerRecord): Promise<void> {
    Object.assign(record.state, { Status: 'restarting', Running: true, Restarting: true });
    Object.assign(record, { restartCount: 0, stoppedByUser: false });
    await this.store.persist(record);
    this.scheduleRestart(record, 0, { counted: false });
  }

  private wantsRestart(record: ContainerRecord, exitCode: number, ran: number): boolean {
    if (this.restartingByUser.has(record.id)) return false;
    return wantsRestart(record.hostConfig.RestartPolicy, {
      exitCode,
      ran,
      stoppedByUser: record.stoppedByUser,
      restarts: record.restartCount,
    });
  }

  private oomKills(cgroup: string): number {
    try {
      return this.linux.cgroups.oomKills(cgroup);
    } catch {
      return 0; // the group is gone
    }
  }
}

/** What says nothing about the container: a service that is away, a process that was killed while it was being made. */
const isOfTheHost = (error: unknown): boolean => isKind(error, 'Unavailable') || isKind(error, 'Internal');
