import { closeSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { internal, unavailable } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { ProcessStreams } from '../attach/process-streams';
import { RuntimeCreateError } from '../runtime/conmon';
import { MonitorPaths } from '../runtime/monitor-paths';
import type { RuntimeChoice } from '../runtime/runtimes';
import { ExecFiles } from './exec-files';
import type { ExecProcess, ExecRecord } from './exec-record';

/** Runs execs with a terminal under conmon(8), which holds it and outlives this service. */
@Injectable()
export class ExecTerminal {
  private path?: string;

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
  ): Promise<Omit<ExecProcess, 'bootId'>> {
    this.path ??= this.linux.host.which('conmon');
    if (!this.path) throw unavailable('conmon is not installed on this host');
    const directory = this.files.directory(record);
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
    return { pid: data, monitorPid, monitorStartTime: processes.startTime(monitorPid) ?? 0 };
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
      ...['--api-version', '1', '--exec', '--exec-process-spec', this.files.process(record), '-t'],
      ...(attach ? ['--exec-attach'] : []),
      // A terminal's input has no end; another client of the same one may come.
      ...(attach && config.AttachStdin ? ['-i', '--leave-stdin-open'] : []),
      ...['-c', containerId, '-u', record.id, '-n', record.id.slice(0, 12), '-b', directory],
      ...['-r', runtime.path, '--runtime-arg', `--root=${this.paths.runtimeRoot(runtime.name)}`],
      ...['-p', this.files.pid(record), '-P', join(directory, 'conmon.pid'), '-l', 'none'],
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
