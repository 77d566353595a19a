import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { ImageDatabase } from '../database/image-database';
import { SnapshotStore } from '../snapshots/snapshot-store';
import { before, type Finding, SETTLED_MS } from './finding';

/** The layers of containers that there are no longer. */
@Injectable()
export class ContainerInspection {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(SnapshotStore) private readonly snapshots: SnapshotStore,
  ) {
    this.nodeId = config.nodeId;
  }

  /** `containerIds`: of all containers; younger ones may not be among them. */
  async *inspect(containerIds: ReadonlySet<string>): AsyncGenerator<Finding> {
    const where = { nodeId: this.nodeId, createdAt: { lt: before(SETTLED_MS) } };
    for (const { containerId } of await this.database.snapshot.findMany({ where })) {
      if (containerIds.has(containerId)) continue;
      const mend = async () => {
        await this.snapshots.remove(containerId);
        return 'removed';
      };
      const problem = 'is the layer of a container that does not exist';
      yield { kind: 'container-layer', id: containerId, problem, mending: { by: 'repair', mend } };
    }
  }
}
