import { closeSync, fchownSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { LINUX, type Linux, type Owner } from '@gantry/shared/linux';
import { execProcess } from '../exec/exec-process';
import { hostOwner } from '../lifecycle/stream-owner';
import type { HealthResult } from '../records/api-documents';
import type { ContainerRecord } from '../records/container-record';
import { timestamp } from '../records/timestamps';
import { MonitorPaths } from '../runtime/monitor-paths';
import { Runtimes } from '../runtime/runtimes';
import type { OciProcess, OciSpec } from '@gantry/shared/oci';
import { goDuration, type HealthCheck } from './health-config';

/** Bytes of output kept, as dockerd does. */
const OUTPUT_LIMIT = 4096;
const TIMED_OUT = -1;
/** For what a check wrote last to arrive after its end. */
const LATE_OUTPUT_MS = 100;

/**
 * Runs a check inside the container with the runtime's own exec: no monitor, no record, about 8 ms. It does not outlive
 * this service, and need not.
 */
@Injectable()
export class HealthProbe {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    private readonly runtimes: Runtimes,
  ) {}

  /** Writes down what to run; once for each start of the container. */
  prepare(record: ContainerRecord, check: HealthCheck): void {
    const spec = JSON.parse(readFileSync(this.paths.spec(record.id), 'utf8')) as OciSpec;
    const process = execProcess(
      record,
      spec.process,
      { Cmd: check.command },
      this.linux.paths,
      `/proc/${record.state.Pid}/root`,
    );
    writeFileSync(this.file(record, 'json'), JSON.stringify(process), { mode: 0o600 });
  }

  async run(record: ContainerRecord, check: HealthCheck): Promise<HealthResult> {
    const runtime = this.runtimes.choose(record.process?.runtime ?? '');
    const owner = this.ownerOf(record);
    const pidFile = this.file(record, 'pid');
    rmSync(pidFile, { force: true });
    const { processes } = this.linux;
    const Start = timestamp();
    const [read, write] = processes.pipe();
    if (owner) fchownSync(write, owner.uid, owner.gid);
    let pid: number;
    try {
      pid = processes.spawn({
        path: runtime.path,
        argv: [
          runtime.name,
          `--root=${this.paths.runtimeRoot(runtime.name)}`,
          ...['exec', '--process', this.file(record, 'json'), '--pid-file', pidFile, record.id],
        ],
        env: runtime.env,
        cwd: this.paths.bundle(record.id),
        fds: { 1: write, 2: write },
      });
    } catch (error) {
      closeSync(read);
      throw error;
    } finally {
      closeSync(write);
    }
    const output = this.collect(read);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.kill(pidFile);
      processes.signal(-pid, 'SIGKILL');
    }, check.timeout);
    const status = await processes.wait(pid);
    clearTimeout(timer);
    const text = limited(await output.end(LATE_OUTPUT_MS));
    return {
      Start,
      End: timestamp(),
      ExitCode: timedOut ? TIMED_OUT : (status.code ?? 1),
      Output: timedOut ? timeoutText(check, text) : text,
    };
  }

  /** Reads along; what the check left running in the background may hold its end of the pipe open for ever. */
  private collect(fd: number): { end: (waitMs: number) => Promise<Buffer> } {
    const stream = this.linux.processes.reader(fd);
    let output = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      if (output.length <= OUTPUT_LIMIT) output = Buffer.concat([output, chunk]);
    });
    stream.on('error', () => stream.destroy());
    const closed = new Promise<void>((resolve) => stream.on('close', resolve));
    return {
      end: async (waitMs) => {
        const late = setTimeout(() => stream.destroy(), waitMs);
        await closed;
        clearTimeout(late);
        return output;
      },
    };
  }

  /** Who the check is on the host, where that is not who it is in the container. */
  private ownerOf(record: ContainerRecord): Owner | undefined {
    const mapping = record.process?.idMapping;
    if (!mapping) return undefined;
    const { user } = JSON.parse(readFileSync(this.file(record, 'json'), 'utf8')) as OciProcess;
    return hostOwner(mapping, user);
  }

  /** The process inside the container is in a session of its own. */
  private kill(pidFile: string): void {
    try {
      this.linux.processes.signal(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
    } catch {
      // It had not begun.
    }
  }

  private file(record: ContainerRecord, extension: string): string {
    return join(this.paths.bundle(record.id), `health.${extension}`);
  }
}

function timeoutText({ timeout }: HealthCheck, output: string): string {
  const text = `Health check exceeded timeout (${goDuration(timeout)})`;
  return output === '' ? text : `${text}: ${output}`;
}

function limited(output: Buffer): string {
  return output.length <= OUTPUT_LIMIT
    ? output.toString('utf8')
    : `${output.subarray(0, OUTPUT_LIMIT).toString('utf8')}...`;
}
