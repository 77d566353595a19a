import { constants } from 'node:os';
import { SystemError } from '../errno';
import { lastErrno, libc } from '../native';
import { onPidfdExit, openPidfd } from './pidfd';
import type { ExitStatus } from './processes';

const waitpid = libc.declare('int waitpid(int pid, void *status, int options)');

const WNOHANG = 1;
const ECHILD = 10;
const UNCLAIMED_MS = 60_000;

const signalNames = new Map<number, NodeJS.Signals>(
  Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]),
);

/**
 * Reaps the children made by posix_spawn. A pidfd tells when: unlike SIGCHLD it is exact, it costs nothing for the
 * children that go on running, and it works in worker threads.
 */
export class Children {
  private readonly exits = new Map<number, Promise<ExitStatus>>();

  /** To be called right after the spawn, before the pid can mean anything else. */
  track(pid: number): void {
    const exit = this.exited(pid).then(() => reap(pid));
    this.exits.set(pid, exit);
    const forget = (): void => {
      setTimeout(() => this.release(pid, exit), UNCLAIMED_MS).unref();
    };
    exit.then(forget, forget);
  }

  async wait(pid: number): Promise<ExitStatus> {
    const exit = this.exits.get(pid);
    if (!exit) throw new SystemError(ECHILD, 'wait', String(pid));
    try {
      return await exit;
    } finally {
      this.release(pid, exit);
    }
  }

  private exited(pid: number): Promise<void> {
    return new Promise((resolve) => {
      const pidfd = openPidfd(pid);
      if (pidfd === undefined) resolve();
      else onPidfdExit(pidfd, resolve);
    });
  }

  /** A later child may have got the same pid: only the entry of this one goes. */
  private release(pid: number, exit: Promise<ExitStatus>): void {
    if (this.exits.get(pid) === exit) this.exits.delete(pid);
  }
}

function reap(pid: number): ExitStatus {
  const status = Buffer.alloc(4);
  if (waitpid(pid, status, WNOHANG) !== pid) throw new SystemError(lastErrno(), 'waitpid', String(pid));
  return decodeStatus(status.readInt32LE(0));
}

/** wait(2): WIFSIGNALED, WTERMSIG and WEXITSTATUS. */
function decodeStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff, signal: null };
  return { code: null, signal: signalNames.get(signal) ?? (`SIG${signal}` as NodeJS.Signals) };
}
