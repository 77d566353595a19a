import { readFileSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { hasCode } from '@gantry/shared/linux';
import { MonitorPaths } from '../runtime/monitor-paths';
import type { ExecRecord } from './exec-record';

type Exec = Pick<ExecRecord, 'id' | 'containerId'>;

/** What there is of an exec while it runs, in the run directory: a reboot ends all of them. */
@Injectable()
export class ExecFiles {
  constructor(private readonly paths: MonitorPaths) {}

  /** Of all execs of a container. */
  all(containerId: string): string {
    return join(this.paths.volatile, 'execs', containerId);
  }
  /** The monitor's bundle, and an exit directory of its own: exit files are named after containers. */
  directory(exec: Exec): string {
    return join(this.all(exec.containerId), exec.id);
  }
  /** API-independent record of a started exec, for the next life of this service. */
  record(exec: Exec): string {
    return join(this.directory(exec), 'exec.json');
  }
  /** The OCI process. */
  process(exec: Exec): string {
    return join(this.directory(exec), 'process.json');
  }
  /** The runtime writes it when the process has begun. */
  pid(exec: Exec): string {
    return join(this.directory(exec), 'pid');
  }
  /** The exit code in decimal, once it ended. */
  exit(exec: Exec): string {
    return join(this.directory(exec), exec.containerId);
  }
  /** What the runtime has to say. */
  complaint(exec: Exec): string {
    return join(this.directory(exec), 'runtime.log');
  }
  /** conmon's FIFO for the size of the terminal. */
  control(exec: Exec): string {
    return join(this.directory(exec), 'ctl');
  }

  /** In the background: the kernel may take a millisecond for it, and a client waits for the exit code. */
  remove(exec: Exec): void {
    rm(this.directory(exec), { recursive: true, force: true }).catch(() => {}); // goes with the container
  }

  removeAll(containerId: string): void {
    rmSync(this.all(containerId), { recursive: true, force: true });
  }
}

/** Without blanks around; empty where there is no such file yet. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  }
}
