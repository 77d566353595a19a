import { closeSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { SystemError, hasCode } from '../errno';
import { memoryFile } from '../memory-file';
import { which } from '../which';
import { Children } from './children';
import { onPidfdExit, openPidfd, signalPidfd } from './pidfd';
import type { ExitStatus, Processes, RunOptions, RunResult, SpawnOptions } from './processes';
import { posixSpawnProgram } from './spawn';
import { openPipe, readFirstLine, readStream, readToEnd, writeAndClose, writeStream } from './streams';

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_OUTPUT = 1 << 20;
const ENOENT = 2;

export class HostProcesses implements Processes {
  private readonly children = new Children();

  spawn(options: SpawnOptions): number {
    const pid = posixSpawnProgram(options);
    this.children.track(pid);
    return pid;
  }

  wait(pid: number): Promise<ExitStatus> {
    return this.children.wait(pid);
  }

  async run(argv: string[], options: RunOptions = {}): Promise<RunResult> {
    const program = argv[0] ?? '';
    const path = which(program);
    if (!path) throw new SystemError(ENOENT, 'run', program);
    const maxOutput = options.maxOutput ?? DEFAULT_OUTPUT;
    const [stdin, stdout, stderr] = [openPipe(), openPipe(), openPipe()];
    const file = options.stdinFile === undefined ? undefined : memoryFile(program, options.stdinFile);
    let pid: number;
    try {
      pid = this.spawn({
        path,
        argv,
        env: options.env ?? { PATH: process.env.PATH ?? '' },
        cwd: options.cwd,
        fds: { 0: file ?? stdin[0], 1: stdout[1], 2: stderr[1] },
      });
    } catch (error) {
      [stdin[1], stdout[0], stderr[0]].forEach((fd) => closeSync(fd));
      throw error;
    } finally {
      [stdin[0], stdout[1], stderr[1], ...(file === undefined ? [] : [file])].forEach((fd) => closeSync(fd));
    }
    writeAndClose(stdin[1], options.stdin ?? '');
    const outputs = [readStream(stdout[0]), readStream(stderr[0])] as const;
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.signal(-pid, 'SIGKILL');
      // A grandchild in a session of its own may hold the pipes for ever.
      outputs.forEach((stream) => stream.destroy());
    }, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    try {
      const [status, out, err] = await Promise.all([
        this.wait(pid),
        readToEnd(outputs[0], maxOutput),
        readToEnd(outputs[1], maxOutput),
      ]);
      return { ...status, stdout: out.toString('utf8'), stderr: err.toString('utf8'), timedOut };
    } finally {
      clearTimeout(timer);
    }
  }

  pipe(): [number, number] {
    return openPipe();
  }

  signal(pid: number, signal: NodeJS.Signals | number): boolean {
    try {
      return process.kill(pid, signal);
    } catch (error) {
      if (hasCode(error, 'ESRCH')) return false;
      throw error;
    }
  }

  openPidfd(pid: number): number | undefined {
    return openPidfd(pid);
  }

  signalPidfd(pidfd: number, signal: NodeJS.Signals | number): boolean {
    return signalPidfd(pidfd, typeof signal === 'number' ? signal : constants.signals[signal]);
  }

  waitForExit(pid: number, options: { startTime?: number; signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) return reject(signal.reason as Error);
      const pidfd = openPidfd(pid);
      if (pidfd === undefined) return resolve();
      // Asked after the descriptor is open: from here on the pid cannot come to mean another process unnoticed.
      if (!this.isAlive(pid, options.startTime)) {
        closeSync(pidfd);
        return resolve();
      }
      const stop = onPidfdExit(pidfd, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = (): void => {
        stop();
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  startTime(pid: number): number | undefined {
    return readStat(pid)?.startTime;
  }

  isAlive(pid: number, startTime?: number): boolean {
    const stat = readStat(pid);
    if (!stat || stat.state === 'Z' || stat.state === 'X') return false;
    return startTime === undefined || stat.startTime === startTime;
  }

  reader(fd: number): Readable {
    return readStream(fd);
  }

  writer(fd: number): Writable {
    return writeStream(fd);
  }

  readLine(fd: number): Promise<string> {
    return readFirstLine(readStream(fd));
  }

  readAll(fd: number, maxBytes = DEFAULT_OUTPUT): Promise<Buffer> {
    return readToEnd(readStream(fd), maxBytes);
  }
}

/** /proc/<pid>/stat (proc(5)): the second field may hold spaces and brackets, so counting starts after the last one. */
function readStat(pid: number): { state: string; startTime: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', startTime: Number(fields[19]) };
}
