import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import { ContainerLocks } from '../lifecycle/container-locks';
import type { LogFiles } from '../logs/log-files';
import type { ContainerRecord } from '../records/container-record';
import { LogHolds } from '../logs/log-holds';
import { MonitorLogFiles } from '../logs/monitor-log-files';
import { MonitorPaths } from '../runtime/monitor-paths';
import { JsonLogFiles } from './json-file/json-log-files';
import { SPOOL } from './monitor-file-drivers';
import { LogDelivery } from './log-delivery';
import { bufferOf, driverOf, monitorLogCap, ownOptions } from './log-drivers';

/** Bytes of log that are kept for long enough. */
const ENOUGH_FOR_READERS = 8 * 1024 * 1024;
/** How long a start, a removal or a reader waits for output that a log driver does not take. Milliseconds. */
const PATIENCE_MS = 2_000;

/** Brings the output of containers to their log drivers, where that is more than the monitor's own file. */
@Injectable()
export class LogDeliveries implements OnApplicationShutdown {
  private readonly active = new Map<string, LogDelivery>();
  private readonly rotations = new Map<string, number>();
  /** Ended containers of which nothing is left to deliver. */
  private readonly complete = new Set<string>();
  /** One begins at a time: two would both write. */
  private readonly turns = new ContainerLocks();

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    private readonly holds: LogHolds,
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
      removed: ({ id }) => {
        this.rotations.delete(id);
        this.complete.delete(id);
      },
    });
  }

  /** Where `docker logs` reads. */
  filesOf(record: ContainerRecord): LogFiles {
    const { id } = record;
    return record.hostConfig.LogConfig.Type === 'json-file'
      ? new JsonLogFiles(this.paths.jsonLog(id), () => this.rotations.get(id) ?? 0)
      : new MonitorLogFiles(this.paths.log(id));
  }

  /** What the monitor writes, before any driver has it; undefined where it keeps too little for a reader that is slow. */
  monitorFilesOf({ id, hostConfig }: ContainerRecord): LogFiles | undefined {
    if (hostConfig.LogConfig.Type === 'none') return undefined;
    const { maxSize, maxFiles } = monitorLogCap(hostConfig.LogConfig);
    if (maxSize * Math.max(1, maxFiles - 1) < ENOUGH_FOR_READERS) return undefined;
    return new MonitorLogFiles(this.paths.log(id));
  }

  /**
   * Resolves when what the container has written by now is where `docker logs` reads, or it is clear that it does not get
   * there (the disk is full).
   */
  async caughtUp(record: ContainerRecord): Promise<void> {
    if (record.hostConfig.LogConfig.Type !== 'json-file' || this.complete.has(record.id)) return;
    await inTime(this.caughtUpAtLast(record));
  }

  private async caughtUpAtLast(record: ContainerRecord): Promise<void> {
    const active = await this.turns.hold(record.id, async () => this.active.get(record.id));
    // It has ended: perhaps just now, or while this service, or the one before, was busy with it.
    await (active && record.state.Running ? active.caughtUp() : this.finish(record));
  }

  /** Resolves when what a container that has ended wrote is where `docker logs` reads. */
  async finish(record: ContainerRecord): Promise<void> {
    if (this.complete.has(record.id)) return;
    try {
      const delivery = await this.turns.hold(record.id, async () => {
        if (!this.active.has(record.id)) await this.beginInTurn(record);
        return this.active.get(record.id);
      });
      delivery?.finish();
      if (record.hostConfig.LogConfig.Type === 'json-file') await delivery?.done;
    } catch (error) {
      this.complain(record, error);
    }
  }

  onApplicationShutdown(): void {
    for (const delivery of this.active.values()) delivery.abort();
  }

  /** @throws InvalidArgument where the driver cannot be had */
  private begin(record: ContainerRecord): Promise<void> {
    return this.turns.hold(record.id, () => this.beginInTurn(record));
  }

  private async beginInTurn(record: ContainerRecord): Promise<void> {
    const { id } = record;
    const config = record.hostConfig.LogConfig;
    const driver = driverOf(config);
    if (!driver?.open) return;
    await this.leave(record);
    this.complete.delete(id);
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
        isHeld: (sequence, newer) => this.holds.keeps(id, sequence, newer * SPOOL.maxSize),
      },
      this.logger,
    ).catch((error: unknown) => {
      throw invalidArgument(`failed to initialize logging driver: ${messageOf(error)}`);
    });
    this.active.set(id, delivery);
    void delivery.done.then(() => {
      if (this.active.get(id) !== delivery) return;
      this.active.delete(id);
      if (delivery.complete) this.complete.add(id);
    });
  }

  /** Resolves when nothing is delivered any more: all of it, or what the driver would not take in some seconds is left. */
  private async leave(record: ContainerRecord): Promise<void> {
    const before = this.active.get(record.id);
    if (!before) return;
    before.finish();
    await inTime(before.done);
    before.abort();
    await before.done;
  }

  private complain(record: ContainerRecord, error: unknown): void {
    this.logger.warn({ err: error, container: record.id }, 'log not delivered');
  }
}

/** Resolves when it is done, or takes too long. */
async function inTime(work: Promise<void>): Promise<void> {
  const patience = new AbortController();
  await Promise.race([work, sleep(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => {})]);
  patience.abort();
}
