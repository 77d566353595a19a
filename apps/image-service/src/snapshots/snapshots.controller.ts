import { Inject, Injectable } from '@nestjs/common';
import type { SnapshotServiceServer } from '@gantry/proto/image';
import type { Implementation } from '@gantry/shared/grpc';
import { toJson } from '@gantry/shared/grpc';
import { invalidArgument } from '@gantry/shared/errors';
import { parseImageConfig } from '../images/image-config';
import { SnapshotStore } from './snapshot-store';

type Service = Implementation<SnapshotServiceServer>;

/** gRPC SnapshotService: what container-service asks for. */
@Injectable()
export class SnapshotsController implements Service {
  constructor(@Inject(SnapshotStore) private readonly snapshots: SnapshotStore) {}

  prepare: Service['prepare'] = async (request) => {
    const prepared = await this.snapshots.prepare(
      checkedId(request.containerId),
      request.image,
      request.platform,
      request,
    );
    return {
      imageId: prepared.imageId,
      imageConfig: toJson(parseImageConfig(prepared.config)).json,
      rootfs: prepared.rootfs,
      manifestDescriptor: Buffer.alloc(0),
    };
  };

  mount: Service['mount'] = async (request) => {
    const { rootfs, graphDriver } = this.snapshots.mount(checkedId(request.containerId), request);
    return { rootfs, graphDriver: Buffer.from(JSON.stringify(graphDriver)) };
  };

  unmount: Service['unmount'] = async (request) => {
    this.snapshots.unmount(checkedId(request.containerId));
    return {};
  };

  remove: Service['remove'] = async (request) => {
    await this.snapshots.remove(checkedId(request.containerId));
    return {};
  };

  usage: Service['usage'] = async (request) => this.snapshots.usage(checkedId(request.containerId));

  changes: Service['changes'] = async (request) =>
    toJson(this.snapshots.changes(checkedId(request.containerId)));

  list: Service['list'] = async () => ({ snapshots: await this.snapshots.list() });
}

/** It becomes the name of a directory. */
function checkedId(containerId: string): string {
  if (!/^[a-f0-9]{64}$/.test(containerId)) {
    throw invalidArgument(`invalid container id ${JSON.stringify(containerId)}`);
  }
  return containerId;
}
