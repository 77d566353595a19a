import { closeSync, constants, openSync } from 'node:fs';
import type { Linux } from '@gantry/shared/linux';

/**
 * Gives a namespace that was built in advance its final name as well. Mounting waits for nobody who works on links, so
 * that this is done at once, by the main thread, and spares a start the way to the network thread and back.
 */
export function adoptNamespace(linux: Pick<Linux, 'mounts'>, pooledPath: string, path: string): void {
  closeSync(openSync(path, constants.O_RDONLY | constants.O_CREAT, 0o444));
  linux.mounts.bindMount(pooledPath, path);
}
