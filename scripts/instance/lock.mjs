// One supervisor an instance. The lock is an abstract unix socket: the kernel gives it to one process and takes it back
// when that process is gone, however it went, so there is no stale lock.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { removePidFile, runningFromPidFiles, writePidFile } from '../host/processes.mjs';
import { StartError } from './names.mjs';

/** @param {import('./names.mjs').InstanceNames} names */
export const pidDirectory = (names) => join(names.runDir, 'pids');

/**
 * @param {import('./names.mjs').InstanceNames} names
 * @returns {Promise<() => void>} gives the lock back
 * @throws {StartError} when another supervisor of the instance runs
 */
export async function lockInstance(names) {
  const server = createServer((socket) => socket.destroy());
  await new Promise((resolve, reject) => {
    server.once('error', (error) => reject(error.code === 'EADDRINUSE' ? alreadyRunning(names) : error));
    server.listen({ path: `\0gantry-supervisor:${names.runDir}` }, () => resolve(undefined));
  });
  server.unref();
  writePidFile(pidDirectory(names), 'supervisor', process.pid);
  return () => {
    removePidFile(pidDirectory(names), 'supervisor');
    server.close();
  };
}

function alreadyRunning(names) {
  const supervisor = runningFromPidFiles(pidDirectory(names)).find(({ name }) => name === 'supervisor');
  const pid = supervisor ? ` (process ${supervisor.pid})` : '';
  return new StartError(`the instance ${names.name} is already running${pid}`);
}
