import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { hasCode } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerLifecycleEvents } from '../lifecycle/container-lifecycle-events';
import type { ContainerRecord } from '../records/container-record';
import { MonitorPaths } from '../runtime/monitor-paths';
import { FileChanges } from '../file-changes';
import { monitorLogCap } from '../log-drivers/log-drivers';
import type { MonitorLogCap } from '../log-drivers/monitor-file-drivers';
import { compressLog, uncompressedSize } from './compressed-log';
import { currentSize } from './log-files';
import { LogHolds } from './log-holds';
import { MonitorLogFiles } from './monitor-log-files';

/** conmon's control message: open the log file anew. */
const REOPEN_LOG = '2 0 0\n';
const REOPEN_MS = 2_000;

/** A container that writes without end is looked at this often. Milliseconds. */
const LOOK_EVERY_MS = 100;

/**
 * Keeps what the monitors write within its cap. The monitor writes without knowing of it, so a burst may pass the limit;
 * it is cut right after, and before anybody reads.
 */
@Injectable()
export class LogRotation implements OnApplicationShutdown {
  private readonly watched = new Map<string, FileChanges>();
  private readonly running = new Map<string, Promise<void>>();
  /** With files beyond the cap that somebody has still to read. */
  private readonly heldOver = new Set<string>();
  /** Waiting for the monitor to take up a new file; its end is worth a look too. */
  private readonly reopening = new Map<string, FileChanges>();

  constructor(
    private readonly paths: MonitorPaths,
    private readonly holds: LogHolds,
    lifecycle: ContainerLifecycleEvents,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    lifecycle.listen({
      started: (record) => this.watch(record),
      adopted: (record) => this.watch(record),
      exited: (record) => {
        this.unwatch(record.id);
        this.reopening.get(record.id)?.poke();
        void this.enforce(record);
      },
      removed: (record) => {
        this.unwatch(record.id);
        this.heldOver.delete(record.id);
      },
    });
  }

  /** Rotates and cuts where the log is over its cap. One at a time for each container. */
  enforce(record: ContainerRecord): Promise<void> {
    if (!isLogged(record)) return Promise.resolve();
    const cap = monitorLogCap(record.hostConfig.LogConfig);
    const before = this.running.get(record.id) ?? Promise.resolve();
    const mine = before
      .then(() => this.rotateIfNeeded(record, cap))
      .catch((error: unknown) => {
        // ENOENT: removed meanwhile, log and all.
        if (!hasCode(error, 'ENOENT'))
          this.logger.warn({ err: error, container: record.id }, 'log not rotated');
      });
    this.running.set(record.id, mine);
    void mine.then(() => {
      if (this.running.get(record.id) === mine) this.running.delete(record.id);
    });
    return mine;
  }

  onApplicationShutdown(): void {
    for (const id of [...this.watched.keys()]) this.unwatch(id);
  }

  private watch(record: ContainerRecord): void {
    if (this.watched.has(record.id) || !isLogged(record)) return;
    const changes = new FileChanges(this.paths.log(record.id));
    this.watched.set(record.id, changes);
    changes.poke();
    void (async () => {
      const files = new MonitorLogFiles(this.paths.log(record.id));
      let size: number | undefined;
      for (;;) {
        const before = size;
        size = currentSize(files);
        await (size === before ? changes.next() : changes.pause(LOOK_EVERY_MS));
        if (this.watched.get(record.id) !== changes) return;
        await this.enforce(record);
      }
    })();
  }

  private unwatch(id: string): void {
    const changes = this.watched.get(id);
    this.watched.delete(id);
    changes?.close();
  }

  private async rotateIfNeeded(record: ContainerRecord, cap: MonitorLogCap): Promise<void> {
    const files = new MonitorLogFiles(this.paths.log(record.id));
    const size = currentSize(files);
    if (size !== undefined && size >= cap.maxSize) {
      await rename(files.current, files.path((files.rotated().at(-1) ?? 0) + 1));
    } else if (size !== undefined) {
      if (this.heldOver.has(record.id)) await this.trim(record.id, files, cap);
      return;
    }
    // Without a file while the monitor runs: renamed right now, or by a service that ended before the next step.
    if (!isMonitored(record) || (await this.reopen(record, files))) await this.trim(record.id, files, cap);
  }

  private async trim(id: string, files: MonitorLogFiles, cap: MonitorLogCap): Promise<void> {
    const held = await trim(files, cap, (sequence, newer) => this.holds.keeps(id, sequence, newer));
    if (held) this.heldOver.add(id);
    else this.heldOver.delete(id);
  }

  /** Whether nobody writes to the renamed file any more. */
  private async reopen(record: ContainerRecord, files: MonitorLogFiles): Promise<boolean> {
    const changes = new FileChanges(files.current);
    const timeout = setTimeout(() => changes.poke(), REOPEN_MS);
    const deadline = Date.now() + REOPEN_MS;
    this.reopening.set(record.id, changes);
    try {
      // r+: opening a FIFO for reading and writing never waits, even when the monitor is gone.
      await writeFile(this.paths.control(record.id), REOPEN_LOG, { flag: 'r+' });
      while (currentSize(files) === undefined) {
        if (!isMonitored(record)) return true;
        if (Date.now() >= deadline) return false;
        await changes.next();
      }
      return true;
    } finally {
      clearTimeout(timeout);
      this.reopening.delete(record.id);
      changes.close();
    }
  }
}

const isLogged = ({ hostConfig }: ContainerRecord): boolean => hostConfig.LogConfig.Type !== 'none';

/** While it waits to be restarted a container counts as running, without a monitor. */
const isMonitored = ({ state }: ContainerRecord): boolean => state.Running && !state.Restarting;

/** Drops the oldest files, and the beginning of the oldest one kept, so that the rotated ones are within the cap.
 * Files that are held stay; whether there were any. */
async function trim(
  files: MonitorLogFiles,
  cap: MonitorLogCap,
  isHeld: (sequence: number, newer: number) => boolean,
): Promise<boolean> {
  let held = false;
  let newer = 0;
  let room = cap.maxSize * Math.max(1, cap.maxFiles - 1);
  let kept = 0;
  for (const sequence of files.rotated().reverse()) {
    const path = files.path(sequence);
    const compressed = await uncompressedSize(path);
    const size = compressed ?? (await stat(path)).size;
    newer += size;
    if (isHeld(sequence, newer - size)) {
      held = true;
      continue;
    }
    if (room <= 0 || kept >= Math.max(1, cap.maxFiles - 1)) {
      await rm(path, { force: true });
      await rm(`${path}.gz`, { force: true });
    } else if (compressed === undefined) {
      if (size > room) await cutBeginning(path, size - room);
      if (cap.compress) await compressLog(path);
    }
    room -= size;
    kept++;
  }
  return held;
}

/** Removes at least `bytes` from the beginning, up to the end of a line. Who reads the old file goes on reading it. */
async function cutBeginning(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'r');
  let start = bytes;
  try {
    const block = Buffer.alloc(64 * 1024);
    const { bytesRead } = await file.read(block, 0, block.length, bytes);
    start += block.subarray(0, bytesRead).indexOf(10) + 1;
  } finally {
    await file.close();
  }
  const shorter = `${path}.cut`;
  await pipeline(createReadStream(path, { start }), createWriteStream(shorter, { mode: 0o600 }));
  await rename(shorter, path);
}
