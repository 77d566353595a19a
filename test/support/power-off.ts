import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanInstance } from '../../scripts/instance/clean.mjs';
import { eventually } from './eventually';
import type { TestInstance } from './test-instance';

/**
 * What a power cut leaves of an instance: its disk. Every process, mount, cgroup, namespace, link and rule goes, and the run
 * directory with them; the next start sees another boot id. The instance needs the fault directory in its environment.
 */
export async function powerOff(instance: TestInstance, faultDirectory: string): Promise<void> {
  const pids = join(instance.runDir, 'pids');
  // The supervisor first: it would start the others again.
  for (const name of ['supervisor', ...readdirSync(pids).filter((each) => each !== 'supervisor')]) {
    const pid = Number(readFileSync(join(pids, name), 'utf8').split(' ')[0]);
    process.kill(pid, 'SIGKILL');
    await eventually(() => expect(existsSync(`/proc/${pid}/cwd`)).toBe(false));
  }
  await cleanInstance(instance, { keepData: true });
  writeFileSync(join(faultDirectory, 'boot-id'), randomUUID());
}
