import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { hasCode } from '../linux';
import { LOGGER, type Logger } from '../logging';
import { syncPath } from './sync-path';

/**
 * What is written close together is synced together, and what is gone by then costs nothing: a commit of the file system's
 * journal holds up whoever writes meanwhile. Milliseconds.
 */
const GATHER_MS = 1_000;

/**
 * Makes records outlive a power cut without anybody waiting for it: a rename alone leaves a new file empty when the host
 * loses power in the half minute after (fsync(2); ext4's delayed allocation). See ADR 0041.
 */
@Injectable()
export class LateSync {
  /** With the directories that come after each. */
  private readonly waiting = new Map<string, readonly string[]>();
  private running = false;

  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /** A file, or a directory that got an entry. `directories`: to be synced too where it is still there. */
  add(path: string, directories: readonly string[] = []): void {
    this.waiting.set(path, directories);
    this.begin();
  }

  private begin(): void {
    if (this.running || this.waiting.size === 0) return;
    this.running = true;
    void this.syncAll().finally(() => {
      this.running = false;
      this.begin();
    });
  }

  /** One after the other: the disk has others to serve. */
  private async syncAll(): Promise<void> {
    await sleep(GATHER_MS, undefined, { ref: false });
    const present = [...this.waiting].filter(([path]) => existsSync(path));
    this.waiting.clear();
    for (const path of new Set(present.flat(2))) {
      await syncPath(path).catch((error: unknown) => {
        if (!hasCode(error, 'ENOENT')) this.logger.error({ err: error, path }, 'a record is not synced');
      });
    }
  }
}
