import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import { MonitorLogFiles, type LogFiles } from '../logs/log-files';
import type { ContainerRecord } from '../records/container-record';
import { MonitorPaths } from '../runtime/monitor-paths';
import { JsonLogFiles } from './json-file/json-log-files';
import { LogDelivery } from './log-delivery';
import { bufferOf, driverOf, ownOptions } from './log-drivers';

/** How long a start or a removal waits for output that a log driver does not take. Milliseconds. */
const PATIENCE_MS = 2_000;

/** Brings the output of containers to their log drivers, where that is more than the monitor's own file. */
@Injectable()
export class LogDeliveries implements OnApplicationShutdown {
  private readonly active = new Map<string, LogDelivery>();
  private readonly rotations = new Map<string, number>();

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    lifecycle: ContainerLifecycleEvents,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    const finish = (record: ContainerRecord) => void this.finish(record);
    lifecycle.listen({
      beforeStart: (record) => this.begin(record),
      adopted: (record) => void this.begin(record).catch((error: unknown) => this.complain(record, error)),
      startFailed: finish,
      exited: finish,
      beforeRemoval: (record) => this.leave(record),
      removed: (record) => void this.rotations.delete(record.id),
    });
  }

  /** Where `docker logs` reads. */
  filesOf(record: ContainerRecord): LogFiles {
    const { id } = record;
    return record.hostConfig.LogConfig.Type === 'json-file'
      ? new JsonLogFiles(this.paths.jsonLog(id), () => this.rotations.get(id) ?? 0)
      : new MonitorLogFiles(this.paths.log(id));
  }

  /** Resolves when what the container has written by now is where `docker logs` reads. */
  async caughtUp(record: ContainerRecord): Promise<void> {
    if (record.hostConfig.LogConfig.Type !== 'json-file') return;
    const active = this.active.get(record.id);
    if (active) return active.caughtUp();
    // It ended while this service, or the one before, was busy with it.
    await this.begin(record);
    await this.finish(record);
  }

  /** Resolves when what a container that has ended wrote is where `docker logs` reads. */
  async finish(record: ContainerRecord): Promise<void> {
    try {
      if (!this.active.has(record.id)) await this.begin(record);
      this.active.get(record.id)?.finish();
      if (record.hostConfig.LogConfig.Type === 'json-file') await this.active.get(record.id)?.done;
    } catch (error) {
      this.complain(record, error);
    }
  }

  onApplicationShutdown(): void {
    for (const delivery of this.active.values()) delivery.abort();
  }

  /** @throws InvalidArgument where the driver cannot be had */
  private async begin(record: ContainerRecord): Promise<void> {
    const { id } = record;
    const config = record.hostConfig.LogConfig;
    const driver = driverOf(config);
    if (!driver?.open) return;
    await this.leave(record);
    const open = driver.open.bind(driver);
    const delivery = await LogDelivery.begin(
      new MonitorLogFiles(this.paths.log(id)),
      this.paths.logDelivery(id),
      {
        open: (state, checkpoint) =>
          open(
            {
              record,
              options: ownOptions(config),
              linux: this.linux,
              jsonPath: this.paths.jsonLog(id),
              rotated: () => this.rotations.set(id, (this.rotations.get(id) ?? 0) + 1),
              checkpoint,
            },
            state,
          ),
        buffer: config.Type === 'json-file' ? Infinity : bufferOf(config.Config ?? {}),
        takesFilesAway: config.Type === 'json-file',
      },
      this.logger,
    ).catch((error: unknown) => {
      throw invalidArgument(`failed to initialize logging driver: ${messageOf(error)}`);
    });
    this.active.set(id, delivery);
    void delivery.done.then(() => {
      if (this.active.get(id) === delivery) this.active.delete(id);
    });
  }

  /** Resolves when nothing is delivered any more: all of it, or what the driver would not take in some seconds is left. */
  private async leave(record: ContainerRecord): Promise<void> {
    const before = this.active.get(record.id);
    if (!before) return;
    before.finish();
    const patience = new AbortController();
    await Promise.race([
      before.done,
      sleep(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => {}),
    ]);
    patience.abort();
    before.abort();
    await before.done;
  }

  private complain(record: ContainerRecord, error: unknown): void {
    this.logger.warn({ err: error, container: record.id }, 'log not delivered');
  }
}
