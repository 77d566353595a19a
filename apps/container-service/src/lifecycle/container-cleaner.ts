import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ContainerNetworks } from '../networks/container-networks';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { OciRuntime } from '../runtime/oci-runtime';
import { ServicePeers } from '../service-peers';
import { ContainerFiles } from './container-files';

/**
 * Gives back what a run of a container took, after it ended: nobody who waits for the container waits for this. What
 * `cleanupPending` of a record says is done again by the next start of this service.
 */
@Injectable()
export class ContainerCleaner {
  private readonly running = new Map<string, Promise<void>>();

  constructor(
    private readonly store: ContainerStore,
    private readonly runtime: OciRuntime,
    private readonly peers: ServicePeers,
    private readonly networks: ContainerNetworks,
    private readonly files: ContainerFiles,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Of a container whose record says `cleanupPending`. Never rejects. */
  begin(record: ContainerRecord): Promise<void> {
    const work = this.clean(record).finally(() => {
      if (this.running.get(record.id) === work) this.running.delete(record.id);
    });
    this.running.set(record.id, work);
    return work;
  }

  /** Until nothing of the last run is left. */
  async finished(id: string): Promise<void> {
    await this.running.get(id);
  }

  private async clean(record: ContainerRecord): Promise<void> {
    const self = { containerId: record.id };
    const steps = await Promise.allSettled([
      this.networks.release(record),
      this.runtime.deleteOf(record),
      this.peers.snapshots.unmount(self),
      record.mounts.some((mount) => mount.Type === 'volume') ? this.peers.volumes.unmount(self) : undefined,
    ]);
    const failures = steps.flatMap((step) => (step.status === 'rejected' ? [step.reason as unknown] : []));
    for (const error of failures) {
      this.logger.warn(
        { err: error, container: record.id },
        'not all of a container that ended is cleaned up',
      );
    }
    this.files.releaseShm(record);
    if (failures.length > 0 || record.removal || this.store.get(record.id) !== record) return;
    record.process = undefined;
    record.cleanupPending = undefined;
    await this.store.persist(record);
  }
}
