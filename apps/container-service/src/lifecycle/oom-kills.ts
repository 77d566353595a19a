import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { ContainerEvents } from './container-events';
import { ContainerLifecycleEvents } from './container-lifecycle-events';
import { ContainerLocks } from './container-locks';

/**
 * Tells when the kernel kills processes of running containers for memory, whether or not the container goes on (events `oom`,
 * State.OOMKilled).
 */
@Injectable()
export class OomKills implements OnApplicationShutdown {
  private readonly watched = new Map<string, () => void>();

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly store: ContainerStore,
    private readonly locks: ContainerLocks,
    private readonly events: ContainerEvents,
    lifecycle: ContainerLifecycleEvents,
  ) {
    const stop = (record: ContainerRecord): void => this.stop(record.id);
    lifecycle.listen({
      beforeStart: (record) => void this.watch(record),
      adopted: (record) => this.takeUp(record),
      startFailed: stop,
      exited: stop,
    });
  }

  onApplicationShutdown(): void {
    for (const id of [...this.watched.keys()]) this.stop(id);
  }

  /** What was killed while this service was away is told now. */
  private takeUp(record: ContainerRecord): void {
    const tell = this.watch(record);
    const { process, state } = record;
    if (process && !state.OOMKilled && this.linux.cgroups.oomKills(process.cgroup) > 0) tell();
  }

  private watch(record: ContainerRecord): () => void {
    this.stop(record.id);
    const { process } = record;
    let pending = false;
    const tell = (): void => {
      if (pending) return;
      pending = true;
      // Not before the start that is under way has been told.
      this.locks
        .hold(record.id, async () => {
          pending = false;
          if (record.process === process && record.state.Running && !record.state.Restarting)
            await this.killed(record);
        })
        .catch((error: unknown) => this.logger.error({ err: error, container: record.id }, 'OOM not told'));
    };
    try {
      if (process) this.watched.set(record.id, this.linux.cgroups.onOom(process.cgroup, tell));
    } catch (error) {
      this.logger.warn({ err: error, container: record.id }, 'OOM kills are told when the container ends');
    }
    return tell;
  }

  private async killed(record: ContainerRecord): Promise<void> {
    this.events.publish(record, 'oom');
    if (record.state.OOMKilled) return;
    record.state.OOMKilled = true;
    await this.store.settle(record);
  }

  private stop(id: string): void {
    this.watched.get(id)?.();
    this.watched.delete(id);
  }
}
