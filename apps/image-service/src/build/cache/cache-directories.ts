import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LINUX, type Linux } from '@gantry/shared/linux';
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

export interface TakenCache {
  path: string;
  isNew: boolean;
  giveBack: () => void;
}

interface Stored {
  id: string;
  createdAt: string;
  usageCount: number;
}

const DATA = 'data';
/** JSON of Stored; its modification time is when the cache was last used. */
const RECORD = 'cache.json';
const LOCK = 'lock';
const LOCK_AGAIN_MS = 50;
const DOOMED = '.removing-';

/** `image/build-cache/<name>/{data,cache.json}` */
@Injectable()
export class CacheDirectories {
  private readonly root: string;
  private readonly inUse = new Map<string, number>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'files'>,
  ) {
    this.root = join(config.dataRoot, 'image', 'build-cache');
  }

  /**
   * The directory of a cache, made where it is missing (`isNew`). `locked` waits while another step has it, `private` takes
   * another one then. The caller gives it back.
   */
  async take(id: string, sharing: 'shared' | 'private' | 'locked', signal: AbortSignal): Promise<TakenCache> {
    for (let other = 0; ; other++) {
      const taken = this.tryTake(sharing === 'private' && other > 0 ? `${id} ${other}` : id, sharing);
      if (taken) return taken;
      if (sharing === 'locked') await pause(LOCK_AGAIN_MS, undefined, { signal });
    }
  }

  private tryTake(id: string, sharing: string): TakenCache | undefined {
    const name = createHash('sha256').update(id).digest('hex');
    const path = join(this.root, name, DATA);
    const isNew = !existsSync(path);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    const lock = sharing === 'shared' ? undefined : this.lock(name);
    if (lock === false) return undefined;
    const known = this.stored(name);
    this.store(name, known ?? { id, createdAt: new Date().toISOString(), usageCount: 0 });
    this.inUse.set(name, (this.inUse.get(name) ?? 0) + 1);
    return {
      path,
      isNew,
      giveBack: () => {
        this.giveBack(name);
        if (lock !== undefined) closeSync(lock);
      },
    };
  }

  /** It ends with the process at the latest. False: another step, of any process, has it. */
  private lock(name: string): number | false {
    const fd = openSync(join(this.root, name, LOCK), 'a', 0o600);
    if (this.linux.files.tryLock(fd)) return fd;
    closeSync(fd);
    return false;
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
