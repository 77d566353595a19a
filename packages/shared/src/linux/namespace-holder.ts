import { closeSync, readSync } from 'node:fs';
import { check, libc } from './native';
import { posixSpawnProgram } from './processes/spawn';
import { openPipe } from './processes/streams';
import { SystemError } from './errno';
import { which } from './which';

const waitpid = libc.declare('int waitpid(int pid, void *status, int options)');

const ENOENT = 2;
const EIO = 5;

/** A process that does nothing but live in namespaces, until they are held in another way. */
export interface NamespaceHolder {
  pid: number;
  end(): void;
}

/**
 * Only a process with a single thread may enter or make a user namespace, so a small one is started, by `command`, in those
 * that are wanted (unshare(1), nsenter(1)). Waits, about 5 ms, until it is there. @throws SystemError
 */
export function startInNamespaces(command: [string, ...string[]]): NamespaceHolder {
  const path = which(command[0]);
  if (!path) throw new SystemError(ENOENT, 'spawn', command[0]);
  const [input, release] = openPipe();
  const [ready, output] = openPipe();
  let pid: number;
  try {
    const argv = [...command, '/bin/sh', '-c', 'echo; read end'];
    pid = posixSpawnProgram({
      path,
      argv,
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      fds: { 0: input, 1: output },
    });
  } catch (error) {
    closeSync(release);
    closeSync(ready);
    throw error;
  } finally {
    closeSync(input);
    closeSync(output);
  }
  const end = (): void => {
    closeSync(release);
    check(waitpid(pid, Buffer.alloc(4), 0), 'waitpid');
  };
  const started = readSync(ready, Buffer.alloc(1)) === 1;
  closeSync(ready);
  if (started) return { pid, end };
  end();
  throw new SystemError(EIO, command.join(' '));
}
