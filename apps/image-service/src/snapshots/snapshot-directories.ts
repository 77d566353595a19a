import { mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { LateSync } from '@gantry/shared/durability';
import { faultPoint } from '@gantry/shared/faults';
import { LINUX, type Linux, hasCode } from '@gantry/shared/linux';
import { LayerDirectories } from '../layers/layer-directories';
import { LAYER_DIFF, LAYER_LINK, LAYER_LOWER } from '../layers/layer-files';
import { RemappedLayers } from './remapped-layers';

const MERGED = 'merged';
const WORK = 'work';
/** JSON of SnapshotRecord: marks the directory as a container's. */
const SNAPSHOT = 'snapshot.json';
/** Which directory of overlay2/ has the container's files: cAdvisor reads it below `image/overlay2/layerdb/mounts`, as dockerd has it. */
const MOUNT_ID = 'mount-id';

/** What a container's layer says of itself, so that its row can be made again. */
export interface SnapshotRecord {
  containerId: string;
  imageId: string;
  topChainId: string | null;
}

/** API: DriverData. */
export interface GraphDriver {
  Name: 'overlay2';
  Data: { LowerDir?: string; MergedDir: string; UpperDir: string; WorkDir: string };
}

/** What overlayfs would otherwise take from the kernel's defaults, which differ from host to host. */
const OVERLAY_OPTIONS = ['index=off', 'redirect_dir=off', 'metacopy=off'];

/** `overlay2/<container-id>/{diff,work,merged,link,lower}` and the mount on merged/. */
@Injectable()
export class SnapshotDirectories {
  constructor(
    @Inject(LayerDirectories) private readonly layers: LayerDirectories,
    @Inject(RemappedLayers) private readonly remappedLayers: RemappedLayers,
    @Inject(LINUX) private readonly linux: Linux,
    @Inject(LateSync) private readonly sync: LateSync,
  ) {
    this.linkMountIds();
  }

  rootfs(containerId: string): string {
    return this.layers.path(containerId, MERGED);
  }

  upper(containerId: string): string {
    return this.layers.path(containerId, LAYER_DIFF);
  }

  exists(containerId: string): boolean {
    return this.record(containerId) !== undefined;
  }

  /** `lower`: directories relative to overlay2/, topmost first. `limit`: bytes that it may grow to; 0: any. */
  create(record: SnapshotRecord, lower: string[], limit: number): void {
    const temporary = this.layers.makeTemporary();
    // While it is empty: what is made in it later belongs to its project.
    if (limit > 0) this.linux.quotas.limit(temporary, limit);
    faultPoint('snapshot-begun');
    mkdirSync(join(temporary, LAYER_DIFF), { mode: 0o755 });
    mkdirSync(join(temporary, WORK), { mode: 0o700 });
    mkdirSync(join(temporary, MERGED), { mode: 0o700 });
    writeFileSync(join(temporary, LAYER_LOWER), lower.join(':'));
    writeFileSync(join(temporary, SNAPSHOT), JSON.stringify(record));
    writeFileSync(join(temporary, MOUNT_ID), record.containerId);
    this.remappedLayers.letThrough(temporary);
    this.layers.writeLink(temporary, record.containerId);
    renameSync(temporary, this.layers.path(record.containerId));
    const files = [LAYER_LOWER, LAYER_LINK, SNAPSHOT, MOUNT_ID];
    for (const file of files) this.sync.add(this.layers.path(record.containerId, file));
  }

  record(containerId: string): SnapshotRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.layers.path(containerId, SNAPSHOT), 'utf8')) as SnapshotRecord;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  /** The kernel's word: a mount has a device number of its own. */
  isMounted(containerId: string): boolean {
    const options = { throwIfNoEntry: false } as const;
    const merged = statSync(this.rootfs(containerId), options);
    const around = statSync(this.layers.path(containerId), options);
    return merged !== undefined && around !== undefined && merged.dev !== around.dev;
  }

  /** `remapped`: with the owners that containers' users are on the host. */
  mount(containerId: string, remapped: boolean): void {
    if (this.isMounted(containerId)) return;
    const mount = (layers: string): void => {
      const path = (...parts: string[]): string => join(layers, ...parts);
      this.linux.mounts.overlay({
        lower: this.lower(containerId).map((directory) => path(directory)),
        upper: path(containerId, LAYER_DIFF),
        work: path(containerId, WORK),
        target: this.rootfs(containerId),
        extra: OVERLAY_OPTIONS,
      });
    };
    if (remapped) this.remappedLayers.use(mount);
    else mount(this.layers.root);
  }

  unmount(containerId: string): void {
    this.linux.mounts.detach(this.rootfs(containerId));
  }

  /** Relative to overlay2/, topmost first. */
  lower(containerId: string): string[] {
    return readFileSync(this.layers.path(containerId, LAYER_LOWER), 'utf8').split(':');
  }

  graphDriver(containerId: string): GraphDriver {
    return {
      Name: 'overlay2',
      Data: {
        LowerDir: this.lower(containerId)
          .map((directory) => this.layers.path(directory))
          .join(':'),
        MergedDir: this.rootfs(containerId),
        UpperDir: this.upper(containerId),
        WorkDir: this.layers.path(containerId, WORK),
      },
    };
  }

  /** Gone for everybody when it returns; what is left of it is deleted behind. */
  remove(containerId: string): Promise<void> {
    this.unmount(containerId);
    return this.layers.remove(containerId).done;
  }

  private linkMountIds(): void {
    const directory = join(this.layers.root, '../image/overlay2/layerdb');
    mkdirSync(directory, { recursive: true, mode: 0o710 });
    try {
      symlinkSync('../../../overlay2', join(directory, 'mounts'));
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
  }
}
