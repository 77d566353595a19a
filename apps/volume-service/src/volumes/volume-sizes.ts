import { lstat, readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { LocalDriver } from '../local-driver/local-driver';
import { isOverTheNetwork } from '../local-driver/local-options';
import { VolumeCatalogue } from './volume-catalogue';

/** A walk through a volume is repeated after this. Milliseconds. */
const FRESH_MS = 5_000;
/** Who asks for sizes waits this long for the walks; after that, what the last ones found has to do. Milliseconds. */
const PATIENCE_MS = 1_000;
const WALKS_AT_ONCE = 4;
const SLASH = Buffer.from('/');
const UNKNOWN = -1;

interface KnownSize {
  /** Of the last walk that ended; -1 before. */
  bytes: number;
  at: number;
  walk?: Promise<void>;
}

/** How many bytes the files of volumes hold, a file with several links counted once. Walks go on without whoever asked. */
@Injectable()
export class VolumeSizes {
  private readonly known = new Map<string, KnownSize>();
  private readonly waiting: (() => void)[] = [];
  private walking = 0;

  constructor(
    private readonly volumes: VolumeCatalogue,
    private readonly local: LocalDriver,
  ) {}

  /** Bytes by volume name; -1 where they are not known (yet): of a plugin, a network file system, a walk that takes long. */
  async of(names: string[]): Promise<Map<string, number>> {
    for (const name of this.known.keys()) if (!this.volumes.find(name)) this.known.delete(name);
    const walks = names.map((name) => this.refresh(name));
    const timer = new AbortController();
    await Promise.race([
      Promise.all(walks),
      sleep(PATIENCE_MS, undefined, { signal: timer.signal }).catch(() => {}),
    ]);
    timer.abort();
    return new Map(names.map((name) => [name, this.known.get(name)?.bytes ?? UNKNOWN]));
  }

  /** Bytes as they are now, however long that takes. */
  async measure(name: string): Promise<number> {
    const record = this.volumes.find(name)?.record;
    if (!record || record.driver !== 'local' || isOverTheNetwork(record.options)) return UNKNOWN;
    return sizeOfTree(Buffer.from(this.local.mountpoint(name)), new Set()).catch(() => UNKNOWN);
  }

  private refresh(name: string): Promise<void> | undefined {
    const known = this.known.get(name) ?? { bytes: UNKNOWN, at: 0 };
    this.known.set(name, known);
    if (!known.walk && Date.now() - known.at >= FRESH_MS) {
      known.walk = this.inTurn(async () => {
        known.bytes = await this.measure(name);
        known.at = Date.now();
        known.walk = undefined;
      });
    }
    return known.walk;
  }

  private async inTurn(walk: () => Promise<void>): Promise<void> {
    if (this.walking >= WALKS_AT_ONCE) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.walking += 1;
    try {
      await walk();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.walking -= 1;
    }
  }
}

/** Names are bytes: not every one is UTF-8. */
async function sizeOfTree(directory: Buffer, counted: Set<string>): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { withFileTypes: true, encoding: 'buffer' })) {
    const path = Buffer.concat([directory, SLASH, entry.name]);
    if (entry.isDirectory()) {
      bytes += await sizeOfTree(path, counted).catch(() => 0);
    } else if (entry.isFile()) {
      const found = await lstat(path).catch(() => undefined);
      const inode = `${found?.dev}:${found?.ino}`;
      if (found && !counted.has(inode)) bytes += found.size;
      if (found && found.nlink > 1) counted.add(inode);
    }
  }
  return bytes;
}
