import { lstat, readdir } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { VolumeCatalogue } from './volume-catalogue';

/** A walk through a volume is repeated after this. Milliseconds. */
const FRESH_MS = 5_000;
const WALKS_AT_ONCE = 4;
const SLASH = Buffer.from('/');

/** How many bytes the files of volumes hold: counted when asked for, a file with several links once. */
@Injectable()
export class VolumeSizes {
  private readonly known = new Map<string, { at: number; bytes: Promise<number> }>();

  constructor(private readonly volumes: VolumeCatalogue) {}

  /** Bytes by volume name, at most five seconds old; -1 for what cannot be read. */
  async of(names: string[]): Promise<Map<string, number>> {
    this.forgetRemoved();
    const sizes = new Map<string, number>();
    const waiting = [...names];
    const worker = async () => {
      for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
        sizes.set(name, await this.recent(name));
      }
    };
    await Promise.all(Array.from({ length: WALKS_AT_ONCE }, worker));
    return sizes;
  }

  /** Bytes as they are now. */
  measure(name: string): Promise<number> {
    return sizeOfTree(Buffer.from(this.volumes.mountpoint(name)), new Set()).catch(() => -1);
  }

  private recent(name: string): Promise<number> {
    const known = this.known.get(name);
    if (known && Date.now() - known.at < FRESH_MS) return known.bytes;
    const bytes = this.measure(name);
    this.known.set(name, { at: Date.now(), bytes });
    return bytes;
  }

  private forgetRemoved(): void {
    for (const name of this.known.keys()) if (!this.volumes.find(name)) this.known.delete(name);
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
