import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerNetworks } from '../networks/container-networks';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { RecordFiles } from '../records/record-files';
import { OciRuntime } from '../runtime/oci-runtime';
import { ServicePeers } from '../service-peers';
import { ContainerCleaner } from './container-cleaner';
import { ContainerEvents } from './container-events';
import { ContainerFiles } from './container-files';
import { ContainerLifecycleEvents } from './container-lifecycle-events';
import { ContainerWaiters } from './container-waiters';
import { ImageMounts } from './image-mounts';
import { MountSources } from './mount-sources';

const RETRY_MS = 3_000;

/** Removes containers that do not run. */
@Injectable()
export class ContainerRemover {
  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly store: ContainerStore,
    private readonly files: RecordFiles,
    private readonly containerFiles: ContainerFiles,
    private readonly sources: MountSources,
    private readonly images: ImageMounts,
    private readonly peers: ServicePeers,
    private readonly networks: ContainerNetworks,
    private readonly runtime: OciRuntime,
    private readonly cleaner: ContainerCleaner,
    private readonly waiters: ContainerWaiters,
    private readonly events: ContainerEvents,
    private readonly lifecycle: ContainerLifecycleEvents,
  ) {}

  /**
   * Under the container's lock. When it returns, the container is gone and what others could stumble over is free: its
   * name, its ports, the references on its image and volumes. The rest goes in the background.
   */
  async removeLocked(record: ContainerRecord, options: { volumes: boolean }): Promise<void> {
    const { Status } = record.state;
    record.removal = options;
    record.state.Status = 'removing';
    await this.store.settle(record);
    await Promise.all([this.cleaner.released(record.id), this.lifecycle.beforeRemoval(record)]);
    try {
      this.files.markRemoving(record.id);
    } catch (error) {
      record.removal = undefined;
      record.state.Status = Status;
      throw error;
    }
    const released = await this.releaseResources(record);
    this.store.delete(record);
    this.events.publish(record, 'destroy');
    this.lifecycle.emit('removed', record);
    this.waiters.removed(record);
    void this.finish(record, released);
  }

  /** Takes up what an earlier life of this service has left half done. */
  resume(id: string): void {
    const record = this.files.readRemoving(id);
    if (record) void this.finish(record, false);
    else
      void this.files
        .removeMarked(id)
        .catch((error: unknown) =>
          this.logger.warn({ err: error, container: id }, 'left for the next start'),
        );
  }

  /** The kernel's and the disk's part; tries again until all of it is gone. Never rejects. */
  private async finish(record: ContainerRecord, alreadyReleased: boolean): Promise<void> {
    let released = alreadyReleased;
    for (;;) {
      try {
        released ||= await this.releaseResources(record);
        await this.cleaner.finished(record.id);
        await this.runtime.deleteOf(record);
        this.sources.release(record.id);
        this.containerFiles.releaseShm(record, this.files.removingDirectory(record.id));
        if (released) return await this.files.removeMarked(record.id);
      } catch (error) {
        this.logger.warn({ err: error, container: record.id }, 'a removed container is not cleaned up yet');
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    }
  }

  /** What other services hold for it, all at once. False where one of them has to be asked again. */
  private async releaseResources(record: ContainerRecord): Promise<boolean> {
    const self = { containerId: record.id };
    const steps = await Promise.allSettled([
      this.networks.release(record),
      this.peers.snapshots.remove(self),
      this.images.remove(record),
      record.mounts.some((mount) => mount.Type === 'volume')
        ? this.peers.volumes.release({ ...self, removeAnonymous: record.removal?.volumes ?? false })
        : undefined,
    ]);
    const failures = steps.filter((step) => step.status === 'rejected');
    for (const { reason } of failures) {
      this.logger.warn({ err: reason as unknown, container: record.id }, 'a resource is not released yet');
    }
    return failures.length === 0;
  }
}
