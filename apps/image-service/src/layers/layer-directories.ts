import { randomBytes } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { faultPoint } from '@gantry/shared/faults';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { makerOf, ownName } from '../process-names';
import { syncDirectory } from '../sync-directory';
import {
  LAYER_COMMITTED,
  LAYER_DIFF,
  LAYER_LINK,
  LAYER_LOWER,
  LINKS,
  REMOVING_PREFIX,
  TEMPORARY_PREFIX,
} from './layer-files';

/** What a layer's directory says of itself, so that its row can be made again. */
export interface LayerRecord {
  chainId: string;
  diffId: string;
  parentChainId: string | null;
  size: number;
  archiveSize: number;
}

/** The tree `<data root>/overlay2`, laid out as dockerd's. */
@Injectable()
export class LayerDirectories {
  readonly root: string;
  /** What this process is deleting at the moment. */
  private readonly erasing = new Set<string>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'processes'>,
  ) {
    this.root = join(config.dataRoot, 'overlay2');
    mkdirSync(join(this.root, LINKS), { recursive: true, mode: 0o710 });
  }

  path(layerId: string, ...rest: string[]): string {
    return join(this.root, layerId, ...rest);
  }

  diff(layerId: string): string {
    return this.path(layerId, LAYER_DIFF);
  }

  /** A directory in which this process makes something. */
  makeTemporary(): string {
    const directory = join(this.root, ownName(this.linux, TEMPORARY_PREFIX));
    mkdirSync(directory, { mode: 0o710 });
    return directory;
  }

  /** Whether a name that begins with a dot is of something that a living process is making or deleting. */
  isInWork(name: string): boolean {
    if (name.startsWith(TEMPORARY_PREFIX)) return makerOf(this.linux, name, TEMPORARY_PREFIX) !== 'gone';
    const maker = makerOf(this.linux, name, REMOVING_PREFIX);
    return maker === 'self' ? this.erasing.has(name) : maker === 'alive';
  }

  /** Makes an unpacked temporary directory the layer `layerId`: from here on it outlives a crash. */
  commit(temporary: string, layerId: string, record: LayerRecord, parentLayerId: string | undefined): void {
    const durable = { flush: true };
    this.writeLink(temporary, layerId, durable);
    if (parentLayerId) {
      writeFileSync(join(temporary, LAYER_LOWER), this.lowerOf(parentLayerId).join(':'), durable);
    }
    writeFileSync(join(temporary, LAYER_COMMITTED), JSON.stringify(record), durable);
    faultPoint('layer-unpacked');
    renameSync(temporary, this.path(layerId));
    syncDirectory(this.root);
    faultPoint('layer-committed');
  }

  /** Gives the directory, which will be called `id`, a short name. */
  writeLink(directory: string, id: string, options: { flush?: boolean } = {}): string {
    const short = randomBytes(13).toString('hex').toUpperCase();
    writeFileSync(join(directory, LAYER_LINK), short, options);
    symlinkSync(`../${id}/${LAYER_DIFF}`, join(this.root, LINKS, short));
    return short;
  }

  /** `l/<short>` of the layer and of all below it, topmost first. */
  lowerOf(layerId: string): string[] {
    const own = `${LINKS}/${readFileSync(this.path(layerId, LAYER_LINK), 'utf8')}`;
    try {
      return [own, ...readFileSync(this.path(layerId, LAYER_LOWER), 'utf8').split(':')];
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [own];
      throw error;
    }
  }

  record(layerId: string): LayerRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.path(layerId, LAYER_COMMITTED), 'utf8')) as LayerRecord;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** Everything in the tree but the short links, with the age in milliseconds. */
  list(): { name: string; ageMs: number }[] {
    return readdirSync(this.root)
      .filter((name) => name !== LINKS)
      .flatMap((name) => {
        const status = statSync(join(this.root, name), { throwIfNoEntry: false });
        return status ? [{ name, ageMs: Date.now() - status.mtimeMs }] : [];
      });
  }

  /** Out of the way at once; the work of deleting goes on behind. False when there was nothing. */
  remove(name: string): { removed: boolean; done: Promise<void> } {
    const doomed = ownName(this.linux, REMOVING_PREFIX);
    try {
      const short = this.shortOf(name);
      renameSync(join(this.root, name), join(this.root, doomed));
      faultPoint('layer-out-of-the-way');
      if (short) this.removeLink(short);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return { removed: false, done: Promise.resolve() };
      throw error;
    }
    return { removed: true, done: this.erase(doomed) };
  }

  /** Deletes for good, symlinks never followed. */
  async erase(name: string): Promise<void> {
    this.erasing.add(name);
    try {
      await rm(join(this.root, name), { recursive: true, force: true, maxRetries: 3 });
    } finally {
      this.erasing.delete(name);
    }
  }

  /** The short name that a directory has; undefined where it has none. */
  shortOf(name: string): string | undefined {
    try {
      return readFileSync(join(this.root, name, LAYER_LINK), 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /** All short names and the directories they are of. */
  links(): { short: string; id: string | undefined; ageMs: number }[] {
    const directory = join(this.root, LINKS);
    return readdirSync(directory).flatMap((short) => {
      const status = lstatSync(join(directory, short), { throwIfNoEntry: false });
      if (!status) return [];
      const target = status.isSymbolicLink() ? readlinkSync(join(directory, short)) : '';
      const id = /^\.\.\/([^/]+)\/diff$/.exec(target)?.[1];
      return [{ short, id, ageMs: Date.now() - status.mtimeMs }];
    });
  }

  removeLink(short: string): void {
    rmSync(join(this.root, LINKS, short), { force: true });
  }

  /** Makes the short name lead to the directory (again). */
  pointLink(short: string, id: string): void {
    const temporary = join(this.root, ownName(this.linux, TEMPORARY_PREFIX));
    symlinkSync(`../${id}/${LAYER_DIFF}`, temporary);
    renameSync(temporary, join(this.root, LINKS, short));
  }
}
