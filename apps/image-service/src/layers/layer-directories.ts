import { randomBytes } from 'node:crypto';
import {
  existsSync,
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
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { bootId, faultPoint } from '@gantry/shared/faults';
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
import { makerOf, ownName } from '../process-names';
import { syncDirectory } from '../sync-directory';
import { LayerErasure } from './layer-erasure';
import {
  LAYER_COMMITTED,
  LAYER_DIFF,
  LAYER_LINK,
  LAYER_LOWER,
  LAYER_SPLIT,
  LAYER_TAR,
  LAYER_UNFLUSHED,
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

/** As it is on disk; `maker`: the process that commits the layer, and gives it its row. */
type StoredRecord = LayerRecord & { maker?: string };

/** The tree `<data root>/overlay2`, laid out as dockerd's. */
@Injectable()
export class LayerDirectories {
  readonly root: string;
  private readonly erasure: LayerErasure;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'processes' | 'files' | 'quotas'>,
  ) {
    this.root = join(config.dataRoot, 'overlay2');
    this.erasure = new LayerErasure(this.root, linux);
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
    return maker === 'self' ? this.erasure.isErasing(name) : maker === 'alive';
  }

  /** Makes an unpacked temporary directory the layer `layerId`: from here on it outlives a crash. */
  commit(temporary: string, layerId: string, record: LayerRecord, parentLayerId: string | undefined): void {
    this.commitNew(temporary, layerId, record, parentLayerId, { flush: true });
  }

  /** The same for a layer that outlives this process and not yet the host: {@link markFlushed} when it is on disk. */
  commitUnflushed(
    temporary: string,
    layerId: string,
    record: LayerRecord,
    parentLayerId: string | undefined,
  ): void {
    writeFileSync(join(temporary, LAYER_UNFLUSHED), bootId());
    this.commitNew(temporary, layerId, record, parentLayerId, { flush: false });
  }

  markFlushed(layerId: string): void {
    rmSync(this.path(layerId, LAYER_UNFLUSHED), { force: true });
  }

  /** The boot of the host that wrote a layer which may not be on disk; undefined where it surely is. */
  unflushedSince(layerId: string): string | undefined {
    try {
      return readFileSync(this.path(layerId, LAYER_UNFLUSHED), 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /** Whether there are layers that a boot before this one may not have brought to disk: the sweep looks at them. */
  hasDoubtful(): boolean {
    return this.list().some(({ name }) => ![undefined, bootId()].includes(this.unflushedSince(name)));
  }

  private commitNew(
    temporary: string,
    layerId: string,
    record: LayerRecord,
    parentLayerId: string | undefined,
    how: { flush: boolean },
  ): void {
    const short = newShortName();
    symlinkSync(linkTarget(layerId), join(this.root, LINKS, short));
    this.commitAs(short, temporary, layerId, record, parentLayerId, how);
    faultPoint('layer-committed');
  }

  /** The same for a layer whose directory was lost. `short`: what those above know it by; a new name where there is none. */
  commitAgain(
    temporary: string,
    layerId: string,
    record: LayerRecord,
    known: { short?: string; parentLayerId?: string },
  ): void {
    const short = known.short ?? newShortName();
    this.pointLink(short, layerId);
    this.commitAs(short, temporary, layerId, record, known.parentLayerId, { flush: true });
  }

  private commitAs(
    short: string,
    temporary: string,
    layerId: string,
    record: LayerRecord,
    parentLayerId: string | undefined,
    how: { flush: boolean },
  ): void {
    const stored: StoredRecord = { ...record, maker: ownName(this.linux, '') };
    writeFileSync(join(temporary, LAYER_LINK), short, how);
    if (parentLayerId) {
      writeFileSync(join(temporary, LAYER_LOWER), this.lowerOf(parentLayerId).join(':'), how);
    }
    writeFileSync(join(temporary, LAYER_COMMITTED), JSON.stringify(stored), how);
    faultPoint('layer-unpacked');
    renameSync(temporary, this.path(layerId));
    if (how.flush) syncDirectory(this.root);
  }

  /**
   * Puts what was unpacked anew in the place of a layer's content, and the old content in the temporary directory. What makes
   * the archive again goes first: it is the same bytes either way.
   */
  replaceContent(temporary: string, layerId: string): void {
    for (const file of [LAYER_SPLIT, LAYER_TAR]) {
      if (existsSync(join(temporary, file))) renameSync(join(temporary, file), this.path(layerId, file));
    }
    const diff = this.diff(layerId);
    mkdirSync(diff, { recursive: true, mode: 0o755 });
    this.linux.files.exchange(join(temporary, LAYER_DIFF), diff);
    syncDirectory(this.path(layerId));
  }

  /** Gives the directory, which will be called `id`, a short name. */
  writeLink(directory: string, id: string): void {
    const short = newShortName();
    writeFileSync(join(directory, LAYER_LINK), short);
    symlinkSync(linkTarget(id), join(this.root, LINKS, short));
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
    return this.storedRecord(layerId);
  }

  /** Whether all that makes a layer is there; its content is not looked at. */
  isWhole(layerId: string): boolean {
    return existsSync(this.diff(layerId)) && this.storedRecord(layerId) !== undefined;
  }

  /** Whether the process that committed the layer could still be about to give it its row. */
  isBeingIndexed(layerId: string): boolean {
    const maker = this.storedRecord(layerId)?.maker;
    return maker !== undefined && makerOf(this.linux, maker, '') !== 'gone';
  }

  private storedRecord(layerId: string): StoredRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.path(layerId, LAYER_COMMITTED), 'utf8')) as StoredRecord;
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
  erase(name: string): Promise<void> {
    return this.erasure.erase(name);
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
    symlinkSync(linkTarget(id), temporary);
    renameSync(temporary, join(this.root, LINKS, short));
  }
}

const newShortName = (): string => randomBytes(13).toString('hex').toUpperCase();
/** As seen from l/. */
const linkTarget = (id: string): string => `../${id}/${LAYER_DIFF}`;
