import { closeSync, constants, existsSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { internal } from '@gantry/shared/errors';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import type { ContainerRecord } from '../records/container-record';
import { isInScope } from './cgroup-names';
import { EmptySlices } from './empty-slices';
import { MonitorPaths } from './monitor-paths';
import { Runtimes, type RuntimeChoice } from './runtimes';

/** What is done to a created container: begin its process, and take away what the runtime keeps of it. */
@Injectable()
export class OciRuntime {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    private readonly runtimes: Runtimes,
    private readonly slices: EmptySlices,
  ) {}

  /** Lets the process of a created container begin. */
  async start(id: string, runtime: RuntimeChoice): Promise<void> {
    if (runtime.fastPath && this.releaseFifo(id, runtime)) return;
    const result = await this.command(runtime, ['start', id]);
    if (result.code !== 0) throw internal(`OCI runtime start failed: ${result.stderr.trim()}`);
  }

  /** Whether a created container waits to begin. */
  isWaiting(id: string, runtime: RuntimeChoice): boolean {
    return existsSync(join(this.paths.runtimeRoot(runtime.name), id, 'exec.fifo'));
  }

  /** Whether the runtime keeps anything of the container. */
  knows(id: string, runtime: RuntimeChoice): boolean {
    return existsSync(join(this.paths.runtimeRoot(runtime.name), id));
  }

  /** Kills what is left of a container and forgets it. Not knowing it is no error. */
  private async delete({ id, hostConfig, process }: ContainerRecord, runtimeName: string): Promise<void> {
    const runtime = this.runtimes.all().find((known) => known.name === runtimeName);
    const cgroup = process?.cgroup ?? this.paths.cgroup(id, hostConfig.CgroupParent);
    // What systemd made only its own word takes away for sure: a scope of that name may be wanted again at once.
    if (runtime?.fastPath && !process?.hooked && !isInScope(cgroup)) {
      if (!(await this.removeEmptyGroup(cgroup))) await this.linux.cgroups.killAll(cgroup);
    } else if (runtime && existsSync(join(this.paths.runtimeRoot(runtimeName), id))) {
      await this.command(runtime, ['delete', '--force', id]);
    }
    await this.linux.cgroups.remove(cgroup);
    if (isInScope(cgroup)) await this.slices.endAbove(cgroup.replace(/\.scope\/.*$/, '.scope'));
    await rm(join(this.paths.runtimeRoot(runtimeName), id), { recursive: true, force: true });
  }

  /** What is usual after an exit: nobody is left in it, and there is no need to look for whom to kill. */
  private async removeEmptyGroup(cgroup: string): Promise<boolean> {
    try {
      await this.linux.cgroups.remove(cgroup, 0);
      return true;
    } catch (error) {
      if (hasCode(error, 'EBUSY')) return false;
      throw error;
    }
  }

  /** Nothing to do where the last run was cleaned up, or there was none. */
  async deleteOf(record: ContainerRecord): Promise<void> {
    const isClean = !record.process && !record.cleanupPending;
    if (isClean && !this.runtimes.all().some((runtime) => this.knows(record.id, runtime))) return;
    for (const name of record.process ? [record.process.runtime] : this.runtimes.all().map((r) => r.name)) {
      await this.delete(record, name);
    }
    // What the monitor of a run left that nobody waited for.
    for (const directory of [this.paths.sockets, this.paths.exits]) {
      rmSync(join(directory, record.id), { force: true });
    }
  }

  /** crun waits until somebody writes into exec.fifo; without the file the container counts as started. */
  private releaseFifo(id: string, runtime: RuntimeChoice): boolean {
    const fifo = join(this.paths.runtimeRoot(runtime.name), id, 'exec.fifo');
    try {
      const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
      try {
        writeSync(fd, '\0');
      } finally {
        closeSync(fd);
      }
      unlinkSync(fifo);
      return true;
    } catch (error) {
      // Nobody waits (ENXIO) or it is elsewhere (ENOENT): let the runtime say what is wrong.
      if (hasCode(error, 'ENXIO', 'ENOENT')) return false;
      throw error;
    }
  }

  private command(runtime: RuntimeChoice, args: string[]) {
    return this.linux.processes.run([runtime.path, '--root', this.paths.runtimeRoot(runtime.name), ...args], {
      env: runtime.env,
    });
  }
}
