import { existsSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { ImageDatabase, isForeignKeyViolation } from '../database/image-database';
import { LayerDirectories } from '../layers/layer-directories';
import { REMOVING_PREFIX, TEMPORARY_PREFIX } from '../layers/layer-files';
import { InitLayer } from '../snapshots/init-layer';
import { SnapshotDirectories, type SnapshotRecord } from '../snapshots/snapshot-directories';
import { type Finding, type Inspection, MOMENT_MS, SETTLED_MS } from './finding';
import { LayerIndex } from './layer-index';

interface Present {
  name: string;
  ageMs: number;
}

const ID = /^[a-f0-9]{64}$/;
/** What file systems put into their own root. */
const FOREIGN = new Set(['lost+found']);

/** The tree overlay2/ against the rows of layers and container layers, and the short names in it. */
@Injectable()
export class DirectoryInspection implements Inspection {
  readonly subject = 'layer directories';
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(SnapshotDirectories) private readonly snapshots: SnapshotDirectories,
    @Inject(LayerIndex) private readonly index: LayerIndex,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'mounts'>,
  ) {
    this.nodeId = config.nodeId;
  }

  async *inspect(): AsyncGenerator<Finding> {
    // Before the rows: what is listed and has no row then never had one, or has lost it.
    const present = this.directories.list();
    yield* this.hidden(present);
    yield* this.layers(present);
    yield* this.containers(present);
    yield* this.unknown(present);
    yield* this.links(present);
  }

  /** Being made, or being deleted. */
  private *hidden(present: Present[]): Generator<Finding> {
    for (const { name } of present.filter(isHidden)) {
      if (this.directories.isInWork(name)) continue;
      const mend = async () => {
        // A process may have died between mounting and unmounting.
        for (const mountPoint of this.mountsIn(name)) this.linux.mounts.detach(mountPoint);
        await this.directories.remove(name).done;
        return 'removed';
      };
      const problem = name.startsWith(REMOVING_PREFIX)
        ? 'was being deleted by a process that is gone'
        : 'was being made by a process that is gone';
      yield { kind: 'directory', id: name, problem, mending: { by: 'sweep', mend } };
    }
  }

  /** Deepest first. */
  private mountsIn(name: string): string[] {
    const below = `${this.directories.path(name)}/`;
    return this.linux.mounts
      .listMounts()
      .map(({ mountPoint }) => mountPoint)
      .filter((mountPoint) => mountPoint.startsWith(below))
      .reverse();
  }

  /** Lowest first, since a layer's row refers to its parent's. */
  private async *layers(present: Present[]): AsyncGenerator<Finding> {
    const { layerIds, chainIds } = await this.index.known();
    const orphans = new Map(
      present
        .filter(({ name }) => !layerIds.has(name))
        .filter(({ name, ageMs }) => ageMs > SETTLED_MS || !this.directories.isBeingIndexed(name))
        .flatMap(({ name }) => {
          const record = this.directories.record(name);
          return record ? [[name, record] as const] : [];
        }),
    );
    for (let progress = true; progress && orphans.size > 0;) {
      progress = false;
      for (const [layerId, record] of orphans) {
        if (record.parentChainId !== null && !chainIds.has(record.parentChainId)) continue;
        orphans.delete(layerId);
        progress = true;
        if (chainIds.has(record.chainId)) {
          yield this.superfluous(layerId, `is a second directory of the layer ${record.chainId}`);
          continue;
        }
        chainIds.add(record.chainId);
        const mend = () => this.index.add(layerId, record);
        const problem = 'is on disk but not in the index';
        yield { kind: 'layer', id: record.chainId, problem, mending: { by: 'sweep', mend } };
      }
    }
    for (const layerId of orphans.keys()) yield this.superfluous(layerId, 'is a layer whose parent is gone');
  }

  private superfluous(name: string, problem: string, by: 'sweep' | 'repair' = 'sweep'): Finding {
    const mend = async () => {
      await this.directories.remove(name).done;
      return 'removed';
    };
    return { kind: 'directory', id: name, problem, mending: { by, mend } };
  }

  private async *containers(present: Present[]): AsyncGenerator<Finding> {
    const rows = await this.database.snapshot.findMany({
      where: { nodeId: this.nodeId },
      select: { containerId: true },
    });
    const known = new Set(rows.map((row) => row.containerId));
    for (const { name } of present) {
      const record = known.has(name) ? undefined : this.snapshots.record(name);
      if (!record) continue;
      const mending = { by: 'sweep', mend: () => this.indexContainer(record) } as const;
      yield { kind: 'container-layer', id: name, problem: 'is on disk but not in the index', mending };
    }
  }

  private async indexContainer(record: SnapshotRecord): Promise<string | undefined> {
    try {
      await this.database.snapshot.createMany({
        data: [{ nodeId: this.nodeId, ...record }],
        skipDuplicates: true,
      });
      return 'indexed';
    } catch (error) {
      // The layers below it are gone; what the container has written is left to its user.
      if (isForeignKeyViolation(error)) return undefined;
      throw error;
    }
  }

  private async *unknown(present: Present[]): AsyncGenerator<Finding> {
    const { layerIds } = await this.index.known();
    for (const { name, ageMs } of present) {
      if (isHidden({ name }) || layerIds.has(name) || name === InitLayer.EMPTY || FOREIGN.has(name)) continue;
      if (ageMs <= SETTLED_MS || this.directories.record(name) || this.snapshots.record(name)) continue;
      if (!existsSync(this.directories.path(name))) continue;
      const isOurs = ID.test(name);
      const problem = isOurs
        ? 'is neither a layer nor of a container'
        : 'is nothing that Gantry has put there';
      yield this.superfluous(name, problem, isOurs ? 'sweep' : 'repair');
    }
  }

  /** The directories were listed before the short names are: one of a directory that is listed is there, or lost. */
  private *links(present: Present[]): Generator<Finding> {
    const links = this.directories.links();
    const shorts = new Set(links.map(({ short }) => short));
    for (const { short, id, ageMs } of links) {
      if (ageMs <= MOMENT_MS || (id !== undefined && this.directories.shortOf(id) === short)) continue;
      const mend = async () => {
        this.directories.removeLink(short);
        return 'removed';
      };
      yield {
        kind: 'link',
        id: short,
        problem: 'is the short name of nothing',
        mending: { by: 'sweep', mend },
      };
    }
    for (const { name } of present.filter((one) => !isHidden(one))) {
      const short = this.directories.shortOf(name);
      if (short === undefined || shorts.has(short)) continue;
      const mend = async () => {
        this.directories.pointLink(short, name);
        return 'made again';
      };
      const problem = `the short name of ${name} is missing`;
      yield { kind: 'link', id: short, problem, mending: { by: 'sweep', mend } };
    }
  }
}

const isHidden = ({ name }: { name: string }): boolean =>
  name.startsWith(REMOVING_PREFIX) || name.startsWith(TEMPORARY_PREFIX);
