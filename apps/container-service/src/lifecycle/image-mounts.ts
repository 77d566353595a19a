import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { invalidArgument, isKind, messageOf } from '@gantry/shared/errors';
import type { ContainerMount, ContainerRecord } from '../records/container-record';
import { ServicePeers } from '../service-peers';
import { UserRemapping } from './user-remapping';

/**
 * Images that are mounted into containers (`--mount type=image`): each is shown by a layer of its own, as containers' root
 * file systems are, mounted while the container runs.
 */
@Injectable()
export class ImageMounts {
  /** Layers that no record names yet, with the container that they are for. */
  private readonly acquiring = new Map<string, string>();

  constructor(
    private readonly peers: ServicePeers,
    private readonly remapping: UserRemapping,
  ) {}

  isAcquiring(layer: string): boolean {
    return this.acquiring.has(layer);
  }

  /** For the mounts of type image of a new container; `Name` is the image. @throws InvalidArgument where there is none */
  async acquire(id: string, plan: ContainerMount[]): Promise<void> {
    for (const mount of plan) {
      if (mount.Type !== 'image') continue;
      mount.layer = layerFor(id, mount.Destination);
      this.acquiring.set(mount.layer, id);
      try {
        const { rootfs } = await this.peers.snapshots.prepare({
          containerId: mount.layer,
          image: mount.Name ?? '',
          platform: '',
          bare: true,
          storageOptions: {},
        });
        mount.Source = rootfs;
      } catch (error) {
        // Not NotFound: clients would pull the container's own image then.
        throw isKind(error, 'NotFound') ? invalidArgument(messageOf(error)) : error;
      }
    }
  }

  /** The record is on disk and says what is held; or there is not going to be one. */
  async settled(id: string, created: boolean): Promise<void> {
    for (const [layer, owner] of [...this.acquiring]) {
      if (owner !== id) continue;
      if (!created) await this.peers.snapshots.remove({ containerId: layer });
      this.acquiring.delete(layer);
    }
  }

  async mount(record: ContainerRecord): Promise<void> {
    const remapped = this.remapping.of(record) !== undefined;
    await Promise.all(
      layersOf(record).map((containerId) => this.peers.snapshots.mount({ containerId, remapped })),
    );
  }

  async unmount(record: ContainerRecord): Promise<void> {
    await Promise.all(layersOf(record).map((containerId) => this.peers.snapshots.unmount({ containerId })));
  }

  async remove(record: ContainerRecord): Promise<void> {
    await Promise.all(layersOf(record).map((containerId) => this.peers.snapshots.remove({ containerId })));
  }
}

export function layersOf({ mounts }: ContainerRecord): string[] {
  return mounts.flatMap(({ layer }) => layer ?? []);
}

/**
 * The same however often it is asked for, so that a create that was cut off leaves nothing that cannot be found. Begins as
 * the container's id does: that beginning is what users are told of who uses an image.
 */
function layerFor(id: string, destination: string): string {
  const hash = createHash('sha256').update(`${id} ${destination}`).digest('hex');
  return id.slice(0, 32) + hash.slice(0, 32);
}
