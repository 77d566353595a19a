import { closeSync, constants, fchownSync, openSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { hasCode, LINUX, type Linux, type Owner } from '@gantry/shared/linux';
import { ProcessStreams } from '../attach/process-streams';
import { FileChanges } from '../file-changes';
import { RuntimeCreateError } from '../runtime/conmon';
import { MonitorPaths } from '../runtime/monitor-paths';
import type { RuntimeChoice } from '../runtime/runtimes';
import { ExecFiles, textOf } from './exec-files';
import type { ExecProcess, ExecRecord } from './exec-record';
import { PipeConnection } from './pipe-connection';

const SHELL = '/bin/sh';
/** Where the shell holds the ends of the output that we read: while it lives, no writer fails for want of a reader. */
const HELD = { stdout: 3, stderr: 4 };
/** $0 is the exit file, the rest the runtime's command. The runtime passes on the three standard streams only. */
const SCRIPT = '"$@"; echo $? >"$0"';

/**
 * Runs execs without a terminal: the runtime's own exec under a shell that writes the exit code down (ADR 0019). Both
 * outlive this service.
 */
@Injectable()
export class ExecShell {
  /** Of the shells that this process started. */
  private readonly ends = new Map<string, Promise<void>>();

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
    private readonly files: ExecFiles,
  ) {}

  /** See {@link ExecMonitor.start}. */
  async start(
    record: ExecRecord,
    runtime: RuntimeChoice,
    connected?: (streams: ProcessStreams) => void,
    owner?: Owner,
  ): Promise<Omit<ExecProcess, 'bootId'>> {
    const { processes } = this.linux;
    const began = new FileChanges(this.files.pid(record));
    const pipes = connected ? this.openPipes(record.config.AttachStdin ?? false, owner) : undefined;
    let shell: number;
    try {
      shell = processes.spawn({
        path: SHELL,
        argv: ['sh', '-c', SCRIPT, this.files.exit(record), ...this.command(record, runtime)],
        env: runtime.env,
        fds: pipes?.fds,
      });
    } catch (error) {
      pipes?.connection.close();
      began.close();
      throw error;
    } finally {
      pipes?.closeChildEnds();
    }
    const monitorStartTime = processes.startTime(shell) ?? 0;
    let ended = false;
    const over = (): void => {
      ended = true;
      this.ends.delete(record.id);
      began.poke();
      pipes?.connection.processEnded();
    };
    this.ends.set(record.id, processes.wait(shell).then(over, over));
    try {
      while (textOf(this.files.pid(record)) === '' && !ended) await began.next();
    } finally {
      began.close();
    }
    const pid = Number(textOf(this.files.pid(record)));
    if (pid === 0) {
      pipes?.connection.close();
      throw new RuntimeCreateError(textOf(this.files.complaint(record)) || 'the runtime was killed');
    }
    if (connected && pipes) {
      connected(new ProcessStreams(pipes.connection));
      pipes.connection.begin();
    }
    return { pid, monitorPid: shell, monitorStartTime };
  }

  /** Resolves when the exit code is written down; undefined for an exec that this process did not start, or that ended. */
  end(record: ExecRecord): Promise<void> | undefined {
    return this.ends.get(record.id);
  }

  /** Of an exec that an earlier life of this service attached to: its output is read, so that it can go on, and dropped. */
  drain({ process }: ExecRecord): void {
    for (const held of process ? Object.values(HELD) : []) {
      try {
        const path = `/proc/${process?.monitorPid}/fd/${held}`;
        const stream = this.linux.processes.reader(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
        stream.on('error', () => stream.destroy()).resume();
      } catch (error) {
        if (!hasCode(error, 'ENOENT', 'ESRCH')) throw error;
      }
    }
  }

  private command(record: ExecRecord, runtime: RuntimeChoice): string[] {
    return [
      runtime.path,
      ...[`--root=${this.paths.runtimeRoot(runtime.name)}`, `--log=${this.files.complaint(record)}`],
      ...['exec', '--process', this.files.process(record), '--pid-file', this.files.pid(record)],
      record.containerId,
    ];
  }

  /** They are the process's own to open: it may have another user than we. */
  private openPipes(withInput: boolean, owner?: Owner) {
    const { processes } = this.linux;
    const [stdout, stderr] = [processes.pipe(), processes.pipe()];
    const stdin = withInput ? processes.pipe() : undefined;
    if (owner)
      for (const pipe of [stdout, stderr, stdin]) if (pipe) fchownSync(pipe[0], owner.uid, owner.gid);
    return {
      connection: new PipeConnection(
        processes.reader(stdout[0]),
        processes.reader(stderr[0]),
        stdin && processes.writer(stdin[1]),
      ),
      fds: {
        ...(stdin && { 0: stdin[0] }),
        ...{ 1: stdout[1], 2: stderr[1] },
        ...{ [HELD.stdout]: stdout[0], [HELD.stderr]: stderr[0] },
      } as Record<number, number>,
      closeChildEnds: () => {
        for (const fd of [stdout[1], stderr[1], ...(stdin ? [stdin[0]] : [])]) closeSync(fd);
      },
    };
  }
}
