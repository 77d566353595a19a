import { mkdirSync, writeFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { bootId } from '@gantry/shared/faults';
import { LINUX, type Linux, type Owner } from '@gantry/shared/linux';
import type { ProcessStreams } from '../attach/process-streams';
import { FileChanges } from '../file-changes';
import type { RuntimeChoice } from '../runtime/runtimes';
import { runtimeDocument, type OciProcess } from '@gantry/shared/oci';
import { ExecFiles, textOf } from './exec-files';
import type { ExecProcess, ExecRecord } from './exec-record';
import { ExecShell } from './exec-shell';
import { ExecTerminal } from './exec-terminal';

/** Starts processes in running containers and tells how they ended. What watches over them outlives this service. */
@Injectable()
export class ExecMonitor {
  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly files: ExecFiles,
    private readonly shell: ExecShell,
    private readonly terminal: ExecTerminal,
  ) {}

  /**
   * Starts the process. `connected` gets its streams, from their first byte; without it nothing is attached and the output
   * is dropped. `owner`: who the process is on the host, where that is not who it is in the container. @throws RuntimeCreateError with the runtime's words
   */
  async start(
    record: ExecRecord,
    process: OciProcess,
    runtime: RuntimeChoice,
    connected?: (streams: ProcessStreams) => void,
    owner?: Owner,
  ): Promise<ExecProcess> {
    mkdirSync(this.files.directory(record), { recursive: true, mode: 0o700 });
    writeFileSync(this.files.process(record), runtimeDocument(process), { mode: 0o600 });
    const way = record.config.Tty ? this.terminal : this.shell;
    return { ...(await way.start(record, runtime, connected, owner)), bootId: bootId() };
  }

  /** Of an exec that an earlier life of this service started. */
  adopt(record: ExecRecord): void {
    if (!record.config.Tty && this.isAlive(record)) this.shell.drain(record);
  }

  /** Resolves when the process has ended. undefined: its monitor went without telling the exit code. */
  async exitCode(record: ExecRecord): Promise<number | undefined> {
    const { process } = record;
    if (!process || process.bootId !== bootId()) return undefined;
    const own = this.shell.end(record);
    if (own) {
      await own;
      return exitCodeIn(textOf(this.files.exit(record)));
    }
    const done = new AbortController();
    const changes = new FileChanges(this.files.exit(record));
    let monitorEnded = false;
    this.linux.processes
      .waitForExit(process.monitorPid, { startTime: process.monitorStartTime, signal: done.signal })
      .then(
        () => {
          monitorEnded = true;
          changes.poke();
        },
        () => {}, // the file told it first
      );
    try {
      for (;;) {
        const last = monitorEnded;
        const code = exitCodeIn(textOf(this.files.exit(record)));
        if (code !== undefined || last) return code;
        await changes.next();
      }
    } finally {
      done.abort();
      changes.close();
    }
  }

  forget(record: ExecRecord): void {
    this.files.remove(record);
  }

  private isAlive({ process }: ExecRecord): boolean {
    if (!process || process.bootId !== bootId()) return false;
    return this.linux.processes.isAlive(process.monitorPid, process.monitorStartTime);
  }
}

const exitCodeIn = (text: string): number | undefined => (text === '' ? undefined : Number(text));
