import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerNetworks } from '../networks/container-networks';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { OciRuntime } from '../runtime/oci-runtime';
import { ServicePeers } from '../service-peers';
import { ContainerFiles } from './container-files';
import { ImageMounts } from './image-mounts';
import { MountSources } from './mount-sources';

/**
 * Gives back what a run of a container took, after it ended: nobody who waits for the container waits for this. What
 * `cleanupPending` of a record says is done again by the next start of this service.
 */
@Injectable()
export class ContainerCleaner {
  private readonly running = new Map<string, { released: Promise<void>; finished: Promise<void> }>();

  constructor(
    private readonly store: ContainerStore,
    private readonly runtime: OciRuntime,
    private readonly peers: ServicePeers,
    private readonly networks: ContainerNetworks,
    private readonly files: ContainerFiles,
    private readonly images: ImageMounts,
    private readonly sources: MountSources,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Of a container whose record says `cleanupPending`. Resolves when all is done; never rejects. */
  begin(record: ContainerRecord): Promise<void> {
    const released = this.release(record);
    const runtimeGone = this.attempt(record, this.runtime.deleteOf(record));
    const unpinned = this.attempt(
      record,
      runtimeGone.then(() => this.sources.release(record.id)),
    );
    const finished = Promise.all([released, unpinned]).then((steps) => this.conclude(record, steps));
    const work = { released: released.then(() => {}), finished };
    this.running.set(record.id, work);
    return finished.finally(() => {
      if (this.running.get(record.id) === work) this.running.delete(record.id);
    });
  }

  /** Until nothing of the last run is left. */
  async finished(id: string): Promise<void> {
    await this.running.get(id)?.finished;
  }

  /** Until the other services hold nothing of the last run; the kernel may still be busy with its cgroup. */
  async released(id: string): Promise<void> {
    await this.running.get(id)?.released;
  }

  private async release(record: ContainerRecord): Promise<boolean> {
    const self = { containerId: record.id };
    const hasVolumes = record.mounts.some((mount) => mount.Type === 'volume');
    const steps = await Promise.all([
      this.attempt(record, this.networks.release(record)),
      this.attempt(record, this.peers.snapshots.unmount(self)),
      this.attempt(record, this.images.unmount(record)),
      hasVolumes ? this.attempt(record, this.peers.volumes.unmount(self)) : true,
    ]);
    return steps.every(Boolean);
  }

  private async conclude(record: ContainerRecord, steps: boolean[]): Promise<void> {
    const stays = !record.removal && this.store.get(record.id) === record;
    if (stays) this.files.releaseShm(record);
    if (!steps.every(Boolean)) return;
    record.process = undefined;
    record.cleanupPending = undefined;
    if (stays) await this.store.settle(record);
  }

  private async attempt(record: ContainerRecord, step: Promise<unknown>): Promise<boolean> {
    try {
      await step;
      return true;
    } catch (error) {
      this.logger.warn(
        { err: error, container: record.id },
        'not all of a container that ended is cleaned up',
      );
      return false;
    }
  }
}
