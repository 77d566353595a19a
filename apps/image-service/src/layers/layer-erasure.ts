import { closeSync, constants, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, type Linux } from '@gantry/shared/linux';
import { Slots } from '../slots';

/** Deletes directories of `overlay2` that are out of the way already. */
export class LayerErasure {
  /** What this process is deleting at the moment. */
  private readonly erasing = new Set<string>();
  /** One tree at a time: nobody waits for it, and others want the processors. */
  private readonly turns = new Slots(1);

  constructor(
    private readonly root: string,
    private readonly linux: Pick<Linux, 'files' | 'quotas'>,
  ) {}

  isErasing(name: string): boolean {
    return this.erasing.has(name);
  }

  /** For good, symlinks never followed. */
  async erase(name: string): Promise<void> {
    this.erasing.add(name);
    await this.turns.use(() => this.eraseNow(name));
  }

  private async eraseNow(name: string): Promise<void> {
    try {
      this.linux.quotas.release(join(this.root, name));
      await rm(join(this.root, name), { recursive: true, force: true, maxRetries: 3 });
    } catch (error) {
      if (!hasCode(error, 'ENAMETOOLONG')) throw error;
      // A layer may have names as long as the kernel takes them, and they lie below ours.
      this.removeTree(name);
    } finally {
      this.erasing.delete(name);
    }
  }

  private removeTree(name: string): void {
    const root = openSync(this.root, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      this.linux.files.removeTreeAt(root, name);
    } finally {
      closeSync(root);
    }
  }
}
