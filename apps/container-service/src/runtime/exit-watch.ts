import { mkdirSync, readdirSync, readFileSync, rmSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import type { ContainerProcess } from '../records/container-record';
import { MonitorPaths } from './monitor-paths';

/** How often to look again for the exit file of a monitor that has just ended, and how long. Milliseconds. */
const LATE_FILE_POLL = 20;
const LATE_FILE_LIMIT = 500;

export interface ContainerExit {
  /** undefined: the monitor died without telling it. */
  exitCode?: number;
  /** The kernel killed a process of it for memory, says conmon. */
  oomKilled: boolean;
}

type ExitListener = (id: string, exit: ContainerExit) => void;

/**
 * Tells when containers end: by the files that their monitors write into one directory, and, where a monitor is killed
 * before it can, by the end of the monitor itself.
 */
@Injectable()
export class ExitWatch implements OnApplicationShutdown {
  private readonly expected = new Map<string, AbortController>();
  private watcher?: FSWatcher;
  private listener: ExitListener = () => {};

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
  ) {}

  /** Makes the directories and begins to watch. */
  open(listener: ExitListener): void {
    this.listener = listener;
    for (const directory of [this.paths.exits, this.paths.sockets]) {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    }
    this.watcher = watch(this.paths.exits, (_event, file) => {
      if (file !== null) this.look(file);
      else for (const id of readdirSync(this.paths.exits)) this.look(id);
    });
  }

  onApplicationShutdown(): void {
    this.watcher?.close();
    for (const alarm of this.expected.values()) alarm.abort(new Error('shutting down'));
  }

  /** Expects the end of a container; one that has ended already is told at once. */
  expect(id: string, process: ContainerProcess): void {
    const alarm = new AbortController();
    this.expected.set(id, alarm);
    this.linux.processes
      .waitForExit(process.monitorPid, { startTime: process.monitorStartTime, signal: alarm.signal })
      .then(
        () => this.monitorEnded(id, alarm),
        () => {}, // the exit was told, or we go down
      );
    this.look(id);
  }

  /** Of a container that did not start after all. */
  forget(id: string): void {
    this.expected.get(id)?.abort(new Error('not started'));
    this.expected.delete(id);
    this.taken(id);
  }

  /** The exit is safe in the record: its file can go. */
  taken(id: string): void {
    rmSync(join(this.paths.exits, id), { force: true });
    rmSync(join(this.paths.bundle(id), 'oom'), { force: true });
  }

  private look(id: string): void {
    const alarm = this.expected.get(id);
    if (!alarm) return;
    const code = readIfThere(join(this.paths.exits, id));
    if (code === undefined || code === '') return;
    this.expected.delete(id);
    alarm.abort(new Error('exit told'));
    this.listener(id, { exitCode: Number(code), oomKilled: this.oomFile(id) });
  }

  private async monitorEnded(id: string, alarm: AbortController): Promise<void> {
    const deadline = Date.now() + LATE_FILE_LIMIT;
    while (this.expected.get(id) === alarm) {
      this.look(id);
      if (this.expected.get(id) !== alarm) return;
      if (Date.now() > deadline) {
        this.expected.delete(id);
        return this.listener(id, { oomKilled: this.oomFile(id) });
      }
      await new Promise((resolve) => setTimeout(resolve, LATE_FILE_POLL));
    }
  }

  private oomFile(id: string): boolean {
    return readIfThere(join(this.paths.bundle(id), 'oom')) !== undefined;
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
