import { rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Linux } from '@gantry/shared/linux';
import type { Logger } from '@gantry/shared/logging';
import { RECORD } from './volume';

/** What is discarded close together is deleted together. Milliseconds. */
const GATHER_MS = 50;

/** Deletes directories of volumes that are no more, or never came to be, while nobody waits. */
export class VolumeDeletion {
  private readonly doomed: string[] = [];
  private deleting?: Promise<void>;

  /** `root`: what the directories are in. */
  constructor(
    private readonly root: string,
    private readonly linux: Pick<Linux, 'mounts' | 'quotas'>,
    private readonly logger: Logger,
  ) {}

  add(directory: string): void {
    this.doomed.push(directory);
    this.deleteSoon();
  }

  private deleteSoon(): void {
    this.deleting ??= this.deleteDoomed()
      .catch((error: unknown) =>
        this.logger.warn({ err: error }, 'not removed yet, the next start tries again'),
      )
      .finally(() => {
        this.deleting = undefined;
        if (this.doomed.length > 0) this.deleteSoon();
      });
  }

  /** Together, because each look at the mount table costs as much as a request. */
  private async deleteDoomed(): Promise<void> {
    await sleep(GATHER_MS, undefined, { ref: false });
    while (this.doomed.length > 0) {
      const paths = this.doomed.splice(0);
      // A limit is lifted before its directory goes, and only once nothing is mounted there: it could be somebody else's.
      const limits = this.linux.quotas.available(this.root);
      const left: string[] = [];
      for (const path of paths) {
        if (limits || !(await deleteEmpty(path))) left.push(path);
      }
      if (left.length > 0) await this.deleteTrees(left);
    }
  }

  private async deleteTrees(paths: string[]): Promise<void> {
    const mounts = this.linux.mounts.listMounts().map(({ mountPoint }) => mountPoint);
    for (const path of paths) {
      try {
        // Whatever is still mounted below must be let go, not emptied.
        const below = mounts.filter((mountPoint) => mountPoint.startsWith(path + '/'));
        for (const mountPoint of below.reverse()) this.linux.mounts.detach(mountPoint);
        this.linux.quotas.release(join(path, '_data'));
        await rm(path, { recursive: true, force: true });
      } catch (error) {
        this.logger.warn({ err: error, path }, 'not removed yet, the next start tries again');
      }
    }
  }
}

/** Most volumes are: three steps instead of the fifteen of a walk. What is not empty, or mounted over, stays. */
async function deleteEmpty(path: string): Promise<boolean> {
  try {
    await rmdir(join(path, '_data'));
    await unlink(join(path, RECORD));
    await rmdir(path);
    return true;
  } catch {
    return false;
  }
}
