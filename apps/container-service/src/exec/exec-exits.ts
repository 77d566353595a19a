import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerEvents } from '../lifecycle/container-events';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { ExecFiles } from './exec-files';
import { ExecMonitor } from './exec-monitor';
import type { ExecRecord } from './exec-record';
import { ExecStore } from './exec-store';

/** What a process that went with its container or its monitor is taken to have ended with: SIGKILL. */
const KILLED = 137;

/** Notices the ends of execs, of those too that an earlier run of this service started. */
@Injectable()
export class ExecExits {
  private readonly ends = new Map<string, Promise<void>>();

  constructor(
    private readonly containers: ContainerStore,
    private readonly execs: ExecStore,
    private readonly files: ExecFiles,
    private readonly monitor: ExecMonitor,
    private readonly events: ContainerEvents,
    lifecycle: ContainerLifecycleEvents,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    lifecycle.listen({
      foundEnded: (container) => this.files.removeAll(container.id), // they went with it
      adopted: (container) => this.adopt(container),
      exited: (container) => this.execs.containerEnded(container.id),
      removed: (container) => {
        this.execs.forgetContainer(container.id);
        this.files.removeAll(container.id);
      },
    });
  }

  /** From now on its end is put in the record and published. */
  watch(record: ExecRecord): void {
    const end = this.monitor
      .exitCode(record)
      .catch((error: unknown) => void this.logger.warn({ err: error, exec: record.id }, 'exit code not read'))
      .then((code) => this.ended(record, code ?? KILLED));
    this.ends.set(record.id, end);
  }

  /** Resolves when the exec has ended and its record says so. */
  async wait(record: ExecRecord): Promise<void> {
    await this.ends.get(record.id);
  }

  private ended(record: ExecRecord, exitCode: number): void {
    record.running = false;
    record.exitCode = exitCode;
    this.ends.delete(record.id);
    this.execs.ended(record);
    this.monitor.forget(record);
    const container = this.containers.get(record.containerId);
    if (container) {
      this.events.publish(container, 'exec_die', { execID: record.id, exitCode: String(exitCode) });
    }
  }

  private adopt(container: ContainerRecord): void {
    for (const record of this.execs.onDisk(container.id)) {
      this.execs.add(record);
      this.monitor.adopt(record);
      this.watch(record);
    }
  }
}
