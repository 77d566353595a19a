// gantry restart: one service after the other, while requests wait.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runningFromPidFiles } from '../host/processes.mjs';
import { pidDirectory } from './lock.mjs';
import { SERVICES, StartError } from './names.mjs';
import { serviceDefinition } from './services.mjs';

const LIMIT_MS = 180_000;
const NAMES = SERVICES.map((service) => serviceDefinition(service, () => ({})).name);

/** Why the last restart has stopped. */
const complaintFile = (names) => join(names.runDir, 'restart.error');

/**
 * The supervisor's side: who waits for the restart hears why it has stopped.
 * @param {import('./names.mjs').InstanceNames} names
 * @param {string} reason
 */
export const complain = (names, reason) => writeFileSync(complaintFile(names), reason);

/**
 * Asks the supervisor of the instance for it, and waits until every service is another process.
 * @param {import('./names.mjs').InstanceNames} names
 * @throws {StartError} with the reason, where a service does not start with its settings
 */
export async function restartServices(names) {
  const running = () => new Map(runningFromPidFiles(pidDirectory(names)).map(({ name, pid }) => [name, pid]));
  const before = running();
  const supervisor = before.get('supervisor');
  if (supervisor === undefined) throw new StartError(`the instance ${names.name} does not run`);
  rmSync(complaintFile(names), { force: true });
  process.kill(supervisor, 'SIGUSR2');
  const deadline = Date.now() + LIMIT_MS;
  const waiting = () => {
    const now = running();
    return NAMES.find((name) => now.get(name) === undefined || now.get(name) === before.get(name));
  };
  for (let name = waiting(); name !== undefined; name = waiting()) {
    if (existsSync(complaintFile(names))) throw new StartError(readFileSync(complaintFile(names), 'utf8'));
    if (Date.now() > deadline) throw new StartError(`${name} has not been started again: see its log`);
    await sleep(100);
  }
}
