import { closeSync } from 'node:fs';
import { SystemError } from '../errno';
import { SYSCALL, check, lastErrno, libc } from '../native';
import { newPipeHandle } from '../pipe-handle';

const pidfdOpen = libc.declare('long syscall(long number, int pid, unsigned int flags)');
const pidfdSendSignal = libc.declare(
  'long syscall(long number, int pidfd, int signal, void *info, unsigned int flags)',
);

const ESRCH = 3;
const EINVAL = 22;

/** pidfd_open(2), always O_CLOEXEC. undefined when there is no such process. */
export function openPidfd(pid: number): number | undefined {
  const fd = pidfdOpen(SYSCALL.pidfd_open, pid, 0);
  if (fd >= 0) return fd;
  const errno = lastErrno();
  // EINVAL is the answer for a thread that leads no process, ESRCH that for none at all.
  if (errno === ESRCH || errno === EINVAL) return undefined;
  throw new SystemError(errno, 'pidfd_open', String(pid));
}

/** False when the process is gone. */
export function signalPidfd(pidfd: number, signal: number): boolean {
  const result = pidfdSendSignal(SYSCALL.pidfd_send_signal, pidfd, signal, null, 0);
  if (result < 0 && lastErrno() === ESRCH) return false;
  check(result, 'pidfd_send_signal');
  return true;
}

/**
 * Calls back when the process of a pidfd has ended, and closes the descriptor; the returned function stops that.
 * A pidfd becomes readable at the end of its process, and a read of it then fails: both are all that libuv needs.
 */
export function onPidfdExit(pidfd: number, ended: () => void): () => void {
  const handle = newPipeHandle();
  const failed = handle.open(pidfd);
  if (failed < 0) {
    closeSync(pidfd);
    throw new SystemError(-failed, 'uv_pipe_open', 'pidfd');
  }
  let closed = false;
  const stop = (): void => {
    if (closed) return;
    closed = true;
    handle.close();
  };
  handle.onread = () => {
    if (closed) return;
    stop();
    ended();
  };
  handle.readStart();
  return stop;
}
