import { closeSync, constants, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { LINUX, type Linux, O_PATH, hasCode } from '@gantry/shared/linux';
import { LayerDirectories } from '../layers/layer-directories';
import { LAYER_DIFF, LAYER_INIT } from '../layers/layer-files';

const MOUNT_POINT_DIRECTORIES = ['dev/pts', 'dev/shm', 'proc', 'sys', 'etc'];
const MOUNT_POINT_FILES = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf', 'dev/console', '.dockerenv'];
const SYMLINKS: Record<string, string> = { 'etc/mtab': '/proc/mounts' };

/**
 * What a runtime mounts things on has to exist, and must not show up as a change of the container: it is in a layer of its
 * own between image and container. All containers of an image share one, since it only depends on the image.
 */
@Injectable()
export class InitLayer {
  /** The directory that stands for the layers of images that have none. */
  static readonly EMPTY = 'empty';

  constructor(
    @Inject(LayerDirectories) private readonly layers: LayerDirectories,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** The lower directories of a container on this layer, relative to overlay2/, topmost first. Makes what is missing. */
  lowerFor(topLayerId: string | undefined): string[] {
    const owner = topLayerId ?? InitLayer.EMPTY;
    if (!existsSync(this.layers.path(owner, LAYER_INIT))) this.make(owner, topLayerId);
    return [`${owner}/${LAYER_INIT}`, ...(topLayerId === undefined ? [] : this.layers.lowerOf(topLayerId))];
  }

  private make(owner: string, topLayerId: string | undefined): void {
    const lower = topLayerId === undefined ? [] : this.layers.lowerOf(topLayerId);
    const temporary = this.layers.makeTemporary();
    const part = (name: string): string => {
      mkdirSync(join(temporary, name), { mode: 0o755 });
      return join(temporary, name);
    };
    const [upper, work, merged, nothing] = [part(LAYER_DIFF), part('work'), part('merged'), part('nothing')];
    this.linux.mounts.overlay({
      lower: lower.length === 0 ? [nothing] : lower.map((directory) => this.layers.path(directory)),
      upper,
      work,
      target: merged,
    });
    try {
      this.fill(merged);
    } finally {
      this.linux.mounts.detach(merged);
    }
    if (topLayerId === undefined) mkdirSync(this.layers.path(owner), { recursive: true, mode: 0o710 });
    try {
      renameSync(upper, this.layers.path(owner, LAYER_INIT));
    } catch (error) {
      // Another process of this node was quicker.
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error;
    }
    rmSync(temporary, { recursive: true, force: true });
  }

  private fill(root: string): void {
    const all = [...MOUNT_POINT_DIRECTORIES, ...MOUNT_POINT_FILES, ...Object.keys(SYMLINKS)];
    for (const path of all) this.makeRoom(root, path.split('/'));
    for (const path of MOUNT_POINT_DIRECTORIES) this.unlessBlocked(() => this.directory(root, path));
    const { O_CREAT, O_EXCL, O_WRONLY } = constants;
    for (const path of MOUNT_POINT_FILES) {
      this.unlessBlocked(() =>
        closeSync(this.linux.paths.openInRoot(root, path, O_CREAT | O_EXCL | O_WRONLY, 0o755)),
      );
    }
    for (const [path, target] of Object.entries(SYMLINKS)) {
      const slash = path.lastIndexOf('/');
      this.unlessBlocked(() => {
        const parent = this.linux.paths.mkdirAllInRoot(root, path.slice(0, slash));
        try {
          this.linux.files.symlinkAt(target, parent, path.slice(slash + 1));
        } finally {
          closeSync(parent);
        }
      });
    }
  }

  /**
   * As dockerd: what is no directory goes. A symlink would have the runtime mount where it leads, over a file of the image, or not
   * at all.
   */
  private makeRoom(root: string, names: string[]): void {
    const { O_DIRECTORY } = constants;
    for (const [depth, name] of names.entries()) {
      this.unlessBlocked(() => {
        const parent = this.linux.paths.openInRoot(
          root,
          names.slice(0, depth).join('/'),
          O_PATH | O_DIRECTORY,
        );
        try {
          this.linux.files.unlinkAt(parent, name);
        } finally {
          closeSync(parent);
        }
      });
    }
  }

  private directory(root: string, path: string): void {
    closeSync(this.linux.paths.mkdirAllInRoot(root, path));
  }

  /** A directory of the image in the place of a file stays. */
  private unlessBlocked(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!hasCode(error, 'EEXIST', 'ENOTDIR', 'ELOOP', 'ENOENT', 'EISDIR')) throw error;
    }
  }
}
