// One supervisor an instance. The lock is an abstract unix socket: the kernel gives it to one process and takes it back
// when that process is gone, however it went, so there is no stale lock.
import { readFileSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { removePidFile, runningFromPidFiles, writePidFile } from '../host/processes.mjs';
import { StartError } from './names.mjs';

const PREFIX = 'gantry-supervisor:';

/** @param {import('./names.mjs').InstanceNames} names */
export const pidDirectory = (names) => join(names.runDir, 'pids');

/**
 * Takes the lock; waits for a supervisor that is about to leave.
 * @param {import('./names.mjs').InstanceNames} names
 * @returns {Promise<{leave: () => void, release: () => void}>} `leave`: the instance is being stopped, whoever wants the lock may
 *   wait for it
 * @throws {StartError} when another supervisor of the instance runs
 */
export async function lockInstance(names) {
  const path = `\0${PREFIX}${names.runDir}`;
  let leaving = false;
  const waiting = new Set();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write(`${leaving ? LEAVING : RUNNING} ${names.name} ${process.pid}`);
    if (!leaving) return socket.end();
    waiting.add(socket.unref());
  });
  while (!(await listen(server, path))) {
    if ((await lastAnswerOf(path)).startsWith(RUNNING)) throw alreadyRunning(names);
  }
  server.unref();
  writePidFile(pidDirectory(names), 'supervisor', process.pid);
  return {
    leave: () => {
      leaving = true;
    },
    release: () => {
      removePidFile(pidDirectory(names), 'supervisor');
      server.close();
      for (const socket of waiting) socket.destroy();
    },
  };
}

/**
 * The supervisors that run in this network namespace, whatever has become of their directories.
 * @returns {Promise<{name: string, pid: number, runDir: string}[]>}
 */
export async function runningSupervisors() {
  const sockets = readFileSync('/proc/net/unix', 'utf8');
  // The kernel writes NUL as @, and Node (libuv) fills the address with them.
  const runDirs = [...sockets.matchAll(/ @gantry-supervisor:(.+?)@*$/gm)].map(([, runDir]) => runDir);
  const found = await Promise.all(
    [...new Set(runDirs)].map(async (runDir) => {
      const [, name, pid] = (await firstAnswerOf(`\0${PREFIX}${runDir}`)).split(' ');
      return pid ? [{ name, pid: Number(pid), runDir }] : [];
    }),
  );
  return found.flat();
}

const RUNNING = 'running';
const LEAVING = 'leaving';

/** False when another process has the path. */
function listen(server, path) {
  return new Promise((resolve, reject) => {
    const onError = (error) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error));
    server.once('error', onError);
    server.listen({ path }, () => {
      server.off('error', onError);
      resolve(true);
    });
  });
}

/** What the holder of the lock says; not before it has gone, when it is about to leave. */
function lastAnswerOf(path) {
  return new Promise((resolve) => {
    let answer = '';
    const socket = createConnection({ path });
    socket.on('data', (text) => (answer += text));
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
  });
}

function firstAnswerOf(path) {
  return new Promise((resolve) => {
    const socket = createConnection({ path });
    socket.once('data', (text) => {
      resolve(String(text));
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(''));
  });
}

function alreadyRunning(names) {
  const supervisor = runningFromPidFiles(pidDirectory(names)).find(({ name }) => name === 'supervisor');
  const pid = supervisor ? ` (process ${supervisor.pid})` : '';
  return new StartError(`the instance ${names.name} is already running${pid}`);
}
