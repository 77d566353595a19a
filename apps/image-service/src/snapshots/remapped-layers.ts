import { chownSync, closeSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { internal, invalidArgument } from '@gantry/shared/errors';
import { hasCode, LINUX, rootOf, type Linux } from '@gantry/shared/linux';
import { LayerDirectories } from '../layers/layer-directories';

/**
 * All layers once more, with owners as the user remapping has them: one mount of overlay2/ with mapped ids, on whose
 * directories overlays are made. On disk there is one copy, with the owners that containers see (ADR 0024).
 */
@Injectable()
export class RemappedLayers {
  private mounted?: string;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: Pick<InstanceConfig, 'userRemap'>,
    @Inject(LayerDirectories) private readonly layers: LayerDirectories,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'mounts' | 'userNamespaces' | 'credentials'>,
  ) {
    this.letThrough(this.layers.root);
  }

  /**
   * Calls `mount` with the directory that stands for overlay2/, as root of the containers: overlayfs makes its own files as
   * whoever mounted it, and root of the host has no name there. @throws InvalidArgument, Internal
   */
  use(mount: (layers: string) => void): void {
    const { userRemap } = this.config;
    if (!userRemap) throw invalidArgument('user namespaces are not remapped');
    const layers = (this.mounted ??= this.ensure(join(userRemap.directory, 'layers'), userRemap.mapping));
    this.linux.credentials.as(rootOf(userRemap.mapping), () => mount(layers));
  }

  /** The runtime goes through the directories as root of the container. */
  letThrough(directory: string): void {
    const { userRemap } = this.config;
    if (userRemap) chownSync(directory, 0, rootOf(userRemap.mapping).gid);
  }

  private ensure(path: string, mapping: NonNullable<InstanceConfig['userRemap']>['mapping']): string {
    if (this.linux.mounts.isMountPoint(path)) return path;
    mkdirSync(path, { recursive: true, mode: 0o711 });
    const namespace = this.linux.userNamespaces.create(mapping);
    try {
      this.linux.mounts.bindMapped(this.layers.root, path, namespace);
    } catch (error) {
      if (!hasCode(error, 'EINVAL', 'ENOSYS')) throw error;
      throw internal(
        'remapped user namespaces need Linux 5.19, and a file system below the data root that can be mounted with mapped ids',
        error,
      );
    } finally {
      closeSync(namespace);
    }
    return path;
  }
}
