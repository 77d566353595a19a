import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const directory = process.env['GANTRY_FAULT_DIR'];

/**
 * Changes with every boot of the host. A test has the host boot by a file `boot-id` in its GANTRY_FAULT_DIR, whose content
 * counts instead.
 */
export function bootId(): string {
  const injected = directory === undefined ? undefined : contentOf(join(directory, 'boot-id'));
  return injected ?? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
