import { unlinkSync } from 'node:fs';
import { join } from 'node:path';

/** A directory in which a test makes a file named after the point that it wants a process to die at. */
const directory = process.env['GANTRY_FAULT_DIR'];

/**
 * A place where the process could be killed, by a name that tests know (test/faults). Unless GANTRY_FAULT_DIR is set this
 * does nothing; with it, the process kills itself with SIGKILL once for each file of that name it finds there.
 */
export function faultPoint(name: string): void {
  if (directory !== undefined && taken(join(directory, name))) process.kill(process.pid, 'SIGKILL');
}

/** Whether there was such a file and nobody else has taken it. */
function taken(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}
