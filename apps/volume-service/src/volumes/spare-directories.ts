import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RECORD } from './volume';

/** How many wait once a volume was made. */
const READY = 64;
/** Whoever has just made a volume asks for something else now. Milliseconds. */
const REST_MS = 50;
/** Other users neither list volumes nor get to one whose name they guess. */
export const CLOSED = 0o710;

/**
 * Directories that want only a record and a name to be volumes, `<prefix><life>-<number>/{_data, volume.json}`, made while nobody
 * waits: new inodes are most of what a volume costs on disk (ADR 0043). Beside the volumes, because a rename within one
 * directory takes a third of the time. Those of an earlier life of the service are thrown away.
 */
export class SpareDirectories {
  private readonly life = randomBytes(4).toString('hex');
  private readonly ready: string[] = [];
  private made = 0;
  private refilling?: Promise<void>;
  private closed = false;

  constructor(
    private readonly root: string,
    private readonly prefix: string,
  ) {}

  /** Its record is empty. */
  async take(): Promise<string> {
    const spare = this.ready.pop();
    this.refillSoon();
    return spare !== undefined && existsSync(spare) ? spare : this.make();
  }

  /** Takes away what nobody took. */
  async close(): Promise<void> {
    this.closed = true;
    await this.refilling;
    for (const spare of this.ready.splice(0)) await rm(spare, { recursive: true, force: true });
  }

  private async make(): Promise<string> {
    const directory = join(this.root, `${this.prefix}${this.life}-${this.made++}`);
    const data = join(directory, '_data');
    await mkdir(directory, { mode: CLOSED });
    await chmod(directory, CLOSED);
    await mkdir(data);
    await chmod(data, 0o755);
    await (await open(join(directory, RECORD), 'wx', 0o600)).close();
    return directory;
  }

  private refillSoon(): void {
    this.refilling ??= this.refill()
      // What cannot be made now fails again when it is wanted, and somebody hears of it.
      .catch(() => {})
      .finally(() => (this.refilling = undefined));
  }

  private async refill(): Promise<void> {
    await sleep(REST_MS, undefined, { ref: false });
    while (!this.closed && this.ready.length < READY) this.ready.push(await this.make());
  }
}
