import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { ContainerRecord } from '../records/container-record';

/** What the other capabilities of this service want to hear of a container's life. */
export interface LifecycleListener {
  /** A record was made. */
  created?(record: ContainerRecord): void;
  /**
   * The runtime made the container, its process has not begun: whoever connects to the attach socket here misses
   * nothing. Awaited; an error fails the start.
   */
  beforeStart?(record: ContainerRecord): Promise<void> | void;
  /** After an error of the start, wherever it happened: whoever waits for the container to run may stop waiting. */
  startFailed?(record: ContainerRecord): void;
  started?(record: ContainerRecord): void;
  /** The state and the exit code are in the record already; all output is in the log. */
  exited?(record: ContainerRecord): void;
  /** Found running after a restart of this service (instead of started). */
  adopted?(record: ContainerRecord): void;
  /** Found without its processes after a restart of this service; `exited` follows where the record said it ran. */
  foundEnded?(record: ContainerRecord): void;
  /** It is about to be removed; its directory is still there. Awaited; an error does not stop the removal. */
  beforeRemoval?(record: ContainerRecord): Promise<void> | void;
  /** Gone for the user; its directory is being removed. */
  removed?(record: ContainerRecord): void;
}

/** Tells every listener, in the order they came. A listener's error is logged and stops nobody (but see beforeStart). */
@Injectable()
export class ContainerLifecycleEvents {
  private readonly listeners: LifecycleListener[] = [];

  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /** Usually called from a provider's constructor or onModuleInit. */
  listen(listener: LifecycleListener): void {
    this.listeners.push(listener);
  }

  async beforeStart(record: ContainerRecord): Promise<void> {
    for (const listener of this.listeners) await listener.beforeStart?.(record);
  }

  async beforeRemoval(record: ContainerRecord): Promise<void> {
    for (const listener of this.listeners) {
      try {
        await listener.beforeRemoval?.(record);
      } catch (error) {
        this.logger.error({ err: error, container: record.id }, 'lifecycle listener failed');
      }
    }
  }

  emit(
    event: Exclude<keyof LifecycleListener, 'beforeStart' | 'beforeRemoval'>,
    record: ContainerRecord,
  ): void {
    for (const listener of this.listeners) {
      try {
        listener[event]?.(record);
      } catch (error) {
        this.logger.error({ err: error, event, container: record.id }, 'lifecycle listener failed');
      }
    }
  }
}
