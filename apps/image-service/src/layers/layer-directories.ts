import { randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readFileSync,
  readdirSync,
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
import { hasCode, LINUX, type Linux } from '@gantry/shared/linux';
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

  /** The name says whose it is: whoever finds it later can tell whether that process still lives. */
  makeTemporary(): string {
    const started = this.linux.processes.startTime(process.pid) ?? 0;
    const name = `${TEMPORARY_PREFIX}${process.pid}-${started}-${randomBytes(8).toString('hex')}`;
    const directory = join(this.root, name);
    mkdirSync(directory, { mode: 0o710 });
    return directory;
  }

  /** Whether a temporary directory's maker is gone. */
  isAbandoned(name: string): boolean {
    const [, pid, started] = /^(\d+)-(\d+)-/.exec(name.slice(TEMPORARY_PREFIX.length)) ?? [];
    return pid === undefined || !this.linux.processes.isAlive(Number(pid), Number(started));
  }

  /** Makes an unpacked temporary directory the layer `layerId`: from here on it outlives a crash. */
  commit(temporary: string, layerId: string, record: LayerRecord, parentLayerId: string | undefined): void {
    this.writeLink(temporary, layerId);
    if (parentLayerId) writeFileSync(join(temporary, LAYER_LOWER), this.lowerOf(parentLayerId).join(':'));
    writeFileSync(join(temporary, LAYER_COMMITTED), JSON.stringify(record), { flush: true });
    renameSync(temporary, this.path(layerId));
  }

  /** Gives the directory, which will be called `id`, a short name. */
  writeLink(directory: string, id: string): string {
    const short = randomBytes(13).toString('hex').toUpperCase();
    writeFileSync(join(directory, LAYER_LINK), short);
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
    const doomed = `${REMOVING_PREFIX}${name.replace(/^\./, '')}-${randomBytes(4).toString('hex')}`;
    try {
      const short = this.shortOf(name);
      renameSync(join(this.root, name), join(this.root, doomed));
      if (short) rmSync(join(this.root, LINKS, short), { force: true });
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return { removed: false, done: Promise.resolve() };
      throw error;
    }
    return { removed: true, done: this.erase(doomed) };
  }

  /** Deletes for good, symlinks never followed. */
  async erase(name: string): Promise<void> {
    await rm(join(this.root, name), { recursive: true, force: true, maxRetries: 3 });
  }

  private shortOf(name: string): string | undefined {
    try {
      return readFileSync(join(this.root, name, LAYER_LINK), 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }
}
