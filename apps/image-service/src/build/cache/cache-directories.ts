import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { sizeOfTree } from '../../snapshots/snapshot-size';

/** A cache that RUN --mount=type=cache keeps from one build to the next. */
export interface CacheDirectory {
  /** In hex: of the id that the Dockerfile gives it. */
  name: string;
  /** As the Dockerfile says. */
  id: string;
  createdAt: Date;
  lastUsedAt: Date;
  usageCount: number;
  /** Bytes. */
  size: number;
}

interface Stored {
  id: string;
  createdAt: string;
  usageCount: number;
}

const DATA = 'data';
/** JSON of Stored; its modification time is when the cache was last used. */
const RECORD = 'cache.json';
const DOOMED = '.removing-';

/** `image/build-cache/<name>/{data,cache.json}` */
@Injectable()
export class CacheDirectories {
  private readonly root: string;
  private readonly inUse = new Map<string, number>();

  constructor(@Inject(INSTANCE_CONFIG) config: InstanceConfig) {
    this.root = join(config.dataRoot, 'image', 'build-cache');
  }

  /** The directory of a cache, made where it is missing (`isNew`). The caller gives it back. */
  take(id: string): { path: string; isNew: boolean; giveBack: () => void } {
    const name = createHash('sha256').update(id).digest('hex');
    const path = join(this.root, name, DATA);
    const isNew = !existsSync(path);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    const known = this.stored(name);
    this.store(name, known ?? { id, createdAt: new Date().toISOString(), usageCount: 0 });
    this.inUse.set(name, (this.inUse.get(name) ?? 0) + 1);
    return { path, isNew, giveBack: () => this.giveBack(name) };
  }

  isInUse(name: string): boolean {
    return (this.inUse.get(name) ?? 0) > 0;
  }

  async list(): Promise<CacheDirectory[]> {
    if (!existsSync(this.root)) return [];
    const found: CacheDirectory[] = [];
    for (const name of readdirSync(this.root)) {
      const stored = name.startsWith(DOOMED) ? undefined : this.stored(name);
      if (!stored) continue;
      const { mtime } = statSync(join(this.root, name, RECORD));
      const size = await sizeOfTree(join(this.root, name, DATA));
      found.push({ ...stored, name, createdAt: new Date(stored.createdAt), lastUsedAt: mtime, size });
    }
    return found;
  }

  /** Out of reach at once. */
  async remove(name: string): Promise<void> {
    const doomed = join(this.root, `${DOOMED}${name}`);
    await rm(doomed, { recursive: true, force: true });
    renameSync(join(this.root, name), doomed);
    await rm(doomed, { recursive: true, force: true });
  }

  /** Goes on with removals that a process did not live to end. */
  async sweep(): Promise<void> {
    if (!existsSync(this.root)) return;
    for (const name of readdirSync(this.root)) {
      if (name.startsWith(DOOMED)) await rm(join(this.root, name), { recursive: true, force: true });
    }
  }

  private giveBack(name: string): void {
    this.inUse.set(name, (this.inUse.get(name) ?? 1) - 1);
    const stored = this.stored(name);
    if (stored) this.store(name, { ...stored, usageCount: stored.usageCount + 1 });
  }

  private stored(name: string): Stored | undefined {
    const path = join(this.root, name, RECORD);
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Stored) : undefined;
  }

  private store(name: string, stored: Stored): void {
    const path = join(this.root, name, RECORD);
    writeFileSync(`${path}.new`, JSON.stringify(stored));
    renameSync(`${path}.new`, path);
    utimesSync(path, new Date(), new Date());
  }
}
