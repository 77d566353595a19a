import { Inject, Injectable } from '@nestjs/common';
import { conflict, EngineError, internal, notModified } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LONGEST_TIMER_MS } from '../longest-timer';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { ContainerCleaner } from './container-cleaner';
import { ContainerEvents } from './container-events';
import { ContainerExits } from './container-exits';
import { ContainerLocks } from './container-locks';
import { ContainerRemover } from './container-remover';
import { ContainerStarter } from './container-starter';
import { ContainerWaiters } from './container-waiters';
import { SIGKILL, signalNumber } from '@gantry/shared/signals';

const DEFAULT_STOP_SECONDS = 10;
const DEFAULT_STOP_SIGNAL = 'SIGTERM';
/** How long a container has to be dead after SIGKILL, milliseconds. */
const KILL_PATIENCE = 10_000;
/** How often SIGKILL is repeated meanwhile. */
const KILL_REPEAT = 2_000;

export interface StopOptions {
  /** Empty: the container's own. */
  signal: string;
  /** undefined: the container's own; -1: SIGKILL never comes. */
  seconds?: number;
}

/** Stop, restart, kill and remove: what ends a container. Signals are sent without the lock, so that the end gets in. */
@Injectable()
export class ContainerStopper {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly store: ContainerStore,
    private readonly locks: ContainerLocks,
    private readonly waiters: ContainerWaiters,
    private readonly exits: ContainerExits,
    private readonly starter: ContainerStarter,
    private readonly remover: ContainerRemover,
    private readonly cleaner: ContainerCleaner,
    private readonly events: ContainerEvents,
  ) {}

  /** @throws NotModified where it does not run */
  async stop(reference: string, options: StopOptions): Promise<void> {
    const record = this.store.resolve(reference);
    if (!record.state.Running) throw notModified(`container ${record.id} is already stopped`);
    if (options.signal) signalNumber(options.signal);
    await this.markStopped(record);
    await this.end(record, options);
    this.events.publish(record, 'stop');
    await this.cleaner.released(record.id); // its ports, say
  }

  async restart(reference: string, options: StopOptions): Promise<void> {
    const record = this.store.resolve(reference);
    await this.exits.withoutPolicy(record.id, async () => {
      if (record.state.Running) {
        await this.end(record, options);
        this.events.publish(record, 'stop');
      }
      await this.locks.hold(record.id, async () => {
        this.store.resolve(record.id); // it may have been removed meanwhile
        if (record.removal) throw conflict('container is marked for removal and cannot be started');
        record.stoppedByUser = false;
        record.restartCount = 0;
        if (!record.state.Running) await this.starter.startLocked(record);
      });
    });
    this.events.publish(record, 'restart');
  }

  /** `signal` empty or KILL: returns when the container is dead. @throws Conflict, InvalidArgument in Docker's words */
  async kill(reference: string, signal: string): Promise<void> {
    try {
      await this.killResolved(this.store.resolve(reference), signal);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      const message = `cannot kill container: ${reference}: ${error.message}`;
      throw new EngineError(error.kind, message, { cause: error });
    }
  }

  private async killResolved(record: ContainerRecord, signal: string): Promise<void> {
    const number = signal === '' ? SIGKILL : signalNumber(signal);
    if (!record.state.Running) throw conflict(`container ${record.id} is not running`);
    const { StopSignal } = record.config;
    // Where nothing says which signal ends the container, dockerd takes any for one that may.
    const mayEnd = number === SIGKILL || !StopSignal || number === signalNumber(StopSignal);
    const ends = mayEnd && (number === SIGKILL || number === signalNumber(StopSignal || DEFAULT_STOP_SIGNAL));
    if (ends || (mayEnd && record.state.Restarting)) await this.markStopped(record);
    else if (mayEnd) await this.markSignalled(record);
    // Nobody is there to be signalled: what would have ended it ends the waiting for its restart.
    if (record.state.Restarting && mayEnd) await this.cancelRestart(record);
    if (!record.state.Running) return;
    if (number === SIGKILL) await this.killAndWait(record);
    else await this.signal(record, number, { wakes: mayEnd });
  }

  async remove(reference: string, options: { force: boolean; volumes: boolean }): Promise<void> {
    const record = this.store.resolve(reference);
    while (!(await this.tryRemove(reference, record, options)));
  }

  /** False where somebody has started it again in between. */
  private async tryRemove(
    reference: string,
    record: ContainerRecord,
    options: { force: boolean; volumes: boolean },
  ): Promise<boolean> {
    if (record.removal) throw conflict(`removal of container ${reference} is already in progress`);
    if (record.state.Running) {
      if (!options.force) {
        throw conflict(
          `cannot remove container "/${record.name}": container is ${record.state.Status}: stop the container before removing or force remove`,
        );
      }
      await this.markStopped(record);
      if (record.state.Restarting) await this.cancelRestart(record);
      if (record.state.Running) await this.killAndWait(record);
    }
    return this.locks.hold(record.id, async () => {
      if (this.store.get(record.id) !== record) return true; // AutoRemove was faster
      if (record.state.Running) return false;
      this.exits.forget(record.id);
      await this.remover.removeLocked(record, { volumes: options.volumes });
      return true;
    });
  }

  /** On disk before it ends: no life of this service restarts what the user wants to end. */
  private async markStopped(record: ContainerRecord): Promise<void> {
    if (record.stoppedByUser) return;
    record.stoppedByUser = true;
    await this.store.settle(record);
  }

  /** Should it end now, the user has ended it. */
  private async markSignalled(record: ContainerRecord): Promise<void> {
    record.signalledAt = Date.now();
    await this.store.settle(record);
  }

  private cancelRestart(record: ContainerRecord): Promise<void> {
    return this.locks.hold(record.id, () => this.exits.cancelRestart(record));
  }

  /** The stop signal, then SIGKILL. Returns when the container has ended. */
  private async end(record: ContainerRecord, options: StopOptions): Promise<void> {
    if (record.state.Restarting) await this.cancelRestart(record);
    if (!record.state.Running) return; // it ended meanwhile, and does not end again
    const signal = signalNumber(options.signal || record.config.StopSignal || DEFAULT_STOP_SIGNAL);
    const seconds = options.seconds ?? record.config.StopTimeout ?? DEFAULT_STOP_SECONDS;
    const ended = this.waiters.wait(record, 'next-exit');
    await this.signal(record, signal);
    if (seconds < 0) return void (await ended);
    if (await within(ended, seconds * 1_000)) return;
    await this.killAndWait(record);
  }

  private async killAndWait(record: ContainerRecord): Promise<void> {
    if (!record.state.Running) return;
    const ended = this.waiters.wait(record, 'next-exit');
    this.events.publish(record, 'kill', { signal: String(SIGKILL) });
    for (let waited = 0; waited < KILL_PATIENCE; waited += KILL_REPEAT) {
      this.send(record, SIGKILL);
      if (record.state.Paused) await this.thaw(record);
      if (await within(ended, KILL_REPEAT)) return;
    }
    throw internal(
      `Cannot kill container: ${record.id}: tried to kill container, but did not receive an exit event`,
    );
  }

  private async signal(record: ContainerRecord, signal: number, { wakes = true } = {}): Promise<void> {
    this.send(record, signal);
    this.events.publish(record, 'kill', { signal: String(signal) });
    if (wakes && record.state.Paused) await this.thaw(record);
  }

  private send(record: ContainerRecord, signal: number): void {
    const { process } = record;
    if (process && this.linux.processes.isAlive(process.pid, process.startTime)) {
      this.linux.processes.signal(process.pid, signal);
    }
  }

  /** A frozen process does not take its signals. Under the lock, so that its end is told after this. */
  private async thaw(record: ContainerRecord): Promise<void> {
    await this.locks.hold(record.id, async () => {
      if (!record.state.Paused || !record.process) return;
      await this.linux.cgroups.thaw(record.process.cgroup);
      Object.assign(record.state, { Paused: false, Status: 'running' });
      await this.store.settle(record);
      this.events.publish(record, 'unpause');
    });
  }
}

/** Whether the promise settles within so many milliseconds. */
async function within(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, Math.min(milliseconds, LONGEST_TIMER_MS), false);
  });
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
