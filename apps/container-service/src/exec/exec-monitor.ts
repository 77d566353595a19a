import { closeSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { internal, unavailable } from '@gantry/shared/errors';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { ProcessStreams } from '../attach/process-streams';
import { FileChanges } from '../file-changes';
import { RuntimeCreateError } from '../runtime/conmon';
import { MonitorPaths } from '../runtime/monitor-paths';
import type { RuntimeChoice } from '../runtime/runtimes';
import type { OciProcess } from '@gantry/shared/oci';
import type { ExecProcess, ExecRecord } from './exec-record';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** conmon(8) in its exec mode: starts a process in a running container and outlives this service with it. */
@Injectable()
export class ExecMonitor {
  private path?: string;

  constructor(
    @Inject(LINUX) private readonly linux: Linux,
    private readonly paths: MonitorPaths,
  ) {}

  /** The directory of one exec; the monitor's bundle, and its own exit directory: exit files are named after containers. */
  directory(record: Pick<ExecRecord, 'id' | 'containerId'>): string {
    return join(this.paths.bundle(record.containerId), 'execs', record.id);
  }

  control(record: ExecRecord): string {
    return join(this.directory(record), 'ctl');
  }

  /**
   * Starts the process. `connected` gets its streams before it begins; without it nothing is attached and the output is
   * dropped. @throws RuntimeCreateError with the runtime's words
   */
  async start(
    record: ExecRecord,
    process: OciProcess,
    runtime: RuntimeChoice,
    connected?: (streams: ProcessStreams) => void,
  ): Promise<ExecProcess> {
    this.path ??= this.linux.host.which('conmon');
    if (!this.path) throw unavailable('conmon is not installed on this host');
    const directory = this.directory(record);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, 'process.json'), JSON.stringify(process), { mode: 0o600 });
    const { processes } = this.linux;
    const [sync, begin, attached] = [processes.pipe(), processes.pipe(), processes.pipe()];
    let launcher: number;
    try {
      launcher = processes.spawn({
        path: this.path,
        argv: this.arguments(record, runtime, directory, connected !== undefined),
        env: {
          ...runtime.env,
          _OCI_SYNCPIPE: '3',
          _OCI_STARTPIPE: '4',
          ...(connected ? { _OCI_ATTACHPIPE: '5' } : {}),
        },
        cwd: directory,
        fds: connected ? { 3: sync[1], 4: begin[0], 5: attached[1] } : { 3: sync[1], 4: begin[0] },
      });
    } catch (error) {
      [sync[0], begin[1], attached[0]].forEach((fd) => closeSync(fd));
      throw error;
    } finally {
      [sync[1], begin[0], attached[1]].forEach((fd) => closeSync(fd));
    }
    const launched = processes.wait(launcher); // it forks the monitor and ends
    const answer = this.firstAnswer(sync[0]);
    let streams: ProcessStreams | undefined;
    try {
      writeSync(begin[1], '1');
      if (connected) {
        await processes.readLine(attached[0]);
        streams = new ProcessStreams(await this.linux.sockets.connectAttach(join(directory, 'attach')));
        connected(streams);
        writeSync(begin[1], '1');
      } else closeSync(attached[0]);
    } finally {
      closeSync(begin[1]);
    }
    await launched;
    const { data, message } = parse(await answer);
    if (!data || data <= 0) {
      streams?.close();
      throw new RuntimeCreateError(message ?? 'the monitor ended without a word');
    }
    const monitorPid = Number(readFileSync(join(directory, 'conmon.pid'), 'utf8'));
    return {
      pid: data,
      monitorPid,
      monitorStartTime: processes.startTime(monitorPid) ?? 0,
      bootId: readFileSync(BOOT_ID, 'utf8').trim(),
    };
  }

  /** Resolves when the process has ended. undefined: its monitor went without telling the exit code. */
  async exitCode(record: ExecRecord): Promise<number | undefined> {
    const { process } = record;
    const file = join(this.directory(record), record.containerId);
    const code = () =>
      readFile(file, 'utf8').catch((error: unknown) => {
        if (hasCode(error, 'ENOENT')) return '';
        throw error;
      });
    if (!process || process.bootId !== readFileSync(BOOT_ID, 'utf8').trim()) return undefined;
    const done = new AbortController();
    const changes = new FileChanges(file);
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
        const text = await code();
        if (text !== '') return Number(text);
        if (last) return undefined;
        await changes.next();
      }
    } finally {
      done.abort();
      changes.close();
    }
  }

  forget(record: ExecRecord): void {
    rmSync(this.directory(record), { recursive: true, force: true });
  }

  /** conmon writes a second line at the end: the pipe is read to its end, or the monitor would fail at it. */
  private firstAnswer(fd: number): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const stream = this.linux.processes.reader(fd);
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
        if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
      });
      stream.on('error', reject);
      stream.on('close', () => resolve(text));
    });
  }

  private arguments(
    record: ExecRecord,
    runtime: RuntimeChoice,
    directory: string,
    attach: boolean,
  ): string[] {
    const { config, containerId } = record;
    return [
      'conmon',
      ...['--api-version', '1', '--exec', '--exec-process-spec', join(directory, 'process.json')],
      ...(attach ? ['--exec-attach'] : []),
      ...(config.Tty ? ['-t'] : []),
      ...(attach && config.AttachStdin ? ['-i'] : []),
      // A terminal's input has no end; another client of the same one may come.
      ...(attach && config.AttachStdin && config.Tty ? ['--leave-stdin-open'] : []),
      ...['-c', containerId, '-u', record.id, '-n', record.id.slice(0, 12), '-b', directory],
      ...['-r', runtime.path, '--runtime-arg', `--root=${this.paths.runtimeRoot(runtime.name)}`],
      ...['-p', join(directory, 'pid'), '-P', join(directory, 'conmon.pid'), '-l', 'none'],
      ...['--exit-dir', directory, '--full-attach', '--no-new-keyring', '--no-sync-log'],
    ];
  }
}

function parse(line: string): { data?: number; message?: string } {
  try {
    return JSON.parse(line) as { data?: number; message?: string };
  } catch (error) {
    throw internal(`conmon: ${line || 'no answer'}`, error);
  }
}
