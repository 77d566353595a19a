// gantry restart: one service after the other, while requests wait. The supervisor does it and leaves its outcome in a file.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive, runningFromPidFiles } from '../host/processes.mjs';
import { pidDirectory } from './lock.mjs';
import { StartError } from './names.mjs';

const outcomeFile = (names) => join(names.runDir, 'restart.outcome');

/**
 * The supervisor's side.
 * @param {import('./names.mjs').InstanceNames} names
 * @param {string} complaint why the restart has stopped; empty: all services are others
 */
export function leaveOutcome(names, complaint) {
  const file = outcomeFile(names);
  writeFileSync(`${file}.part`, complaint);
  renameSync(`${file}.part`, file);
}

/**
 * Asks the supervisor of the instance for it, and waits until every service is another process.
 * @param {import('./names.mjs').InstanceNames} names
 * @throws {StartError} with the reason, where a service does not start with its settings
 */
export async function restartServices(names) {
  const supervisor = runningFromPidFiles(pidDirectory(names)).find(({ name }) => name === 'supervisor');
  if (!supervisor) throw new StartError(`the instance ${names.name} does not run`);
  const file = outcomeFile(names);
  rmSync(file, { force: true });
  process.kill(supervisor.pid, 'SIGUSR2');
  while (!existsSync(file)) {
    if (!isAlive(supervisor)) throw new StartError(`the instance ${names.name} has ended meanwhile`);
    await sleep(100);
  }
  const complaint = readFileSync(file, 'utf8');
  if (complaint !== '') throw new StartError(complaint);
}
