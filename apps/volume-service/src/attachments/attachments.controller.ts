import { Injectable } from '@nestjs/common';
import type { Implementation } from '@gantry/shared/grpc';
import type { Empty } from '@gantry/proto/common';
import type {
  AcquireVolumesRequest,
  AcquireVolumesResponse,
  ContainerVolumes,
  ListAttachmentsResponse,
  MountVolumesResponse,
  PopulateVolumeRequest,
  ReleaseVolumesRequest,
  VolumeAttachmentServiceServer,
} from '@gantry/proto/volume';
import { VolumeCatalogue } from '../volumes/volume-catalogue';
import { Attachments } from './attachments';

/** What container-service asks for its containers. */
@Injectable()
export class AttachmentsController implements Implementation<VolumeAttachmentServiceServer> {
  constructor(
    private readonly attachments: Attachments,
    private readonly volumes: VolumeCatalogue,
  ) {}

  async acquire(request: AcquireVolumesRequest): Promise<AcquireVolumesResponse> {
    const wanted = request.volumes.map(({ driverOptions, ...volume }) => ({
      ...volume,
      options: driverOptions,
    }));
    const acquired = await this.attachments.acquire(request.containerId, wanted);
    return {
      volumes: acquired.map(({ volume: { record }, created }) => ({
        name: record.name,
        driver: record.driver,
        mountpoint: this.volumes.mountpoint(record.name),
        created,
        anonymous: record.anonymous,
      })),
    };
  }

  async mount(request: ContainerVolumes): Promise<MountVolumesResponse> {
    const names = await this.attachments.mount(request.containerId);
    return { volumes: names.map((name) => ({ name, mountpoint: this.volumes.mountpoint(name) })) };
  }

  async unmount(request: ContainerVolumes): Promise<Empty> {
    await this.attachments.unmount(request.containerId);
    return {};
  }

  async populate(request: PopulateVolumeRequest): Promise<Empty> {
    await this.attachments.populate(request.containerId, request.name, request.rootfs, request.path);
    return {};
  }

  async release(request: ReleaseVolumesRequest): Promise<Empty> {
    await this.attachments.release(request.containerId, request.removeAnonymous);
    return {};
  }

  async list(): Promise<ListAttachmentsResponse> {
    return { attachments: this.attachments.list() };
  }
}
