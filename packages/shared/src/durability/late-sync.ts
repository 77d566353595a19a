import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { hasCode } from '../linux';
import { LOGGER, type Logger } from '../logging';

/** What is written close together is synced together, and what is gone by then costs nothing. Milliseconds. */
const GATHER_MS = 100;

/**
 * Makes records outlive a power cut without anybody waiting for it: a rename alone leaves a new file empty when the host
 * loses power in the half minute after (fsync(2); ext4's delayed allocation). See ADR 0041.
 */
@Injectable()
export class LateSync {
  private readonly waiting = new Set<string>();
  private running = false;

  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  /** Files, and directories that got or lost an entry. */
  add(...paths: string[]): void {
    for (const path of paths) this.waiting.add(path);
    if (this.running || this.waiting.size === 0) return;
    this.running = true;
    void this.syncAll().finally(() => {
      this.running = false;
      this.add();
    });
  }

  /** One after the other: the disk has others to serve. */
  private async syncAll(): Promise<void> {
    await sleep(GATHER_MS, undefined, { ref: false });
    const paths = [...this.waiting];
    this.waiting.clear();
    for (const path of paths) {
      if (!existsSync(path)) continue;
      await sync(path).catch((error: unknown) => {
        if (!hasCode(error, 'ENOENT')) this.logger.error({ err: error, path }, 'a record is not synced');
      });
    }
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
