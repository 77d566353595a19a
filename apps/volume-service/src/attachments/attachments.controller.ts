import { Injectable } from '@nestjs/common';
import type { Implementation } from '@gantry/shared/grpc';
import type { Empty } from '@gantry/proto/common';
import type {
  AcquireVolumesRequest,
  AcquireVolumesResponse,
  ContainerVolumes,
  ListAttachmentsResponse,
  MountVolumesRequest,
  MountVolumesResponse,
  PopulateVolumeRequest,
  ReleaseVolumesRequest,
  VolumeAttachmentServiceServer,
} from '@gantry/proto/volume';
import { LocalDriver } from '../local-driver/local-driver';
import { Attachments } from './attachments';

/** What container-service asks for its containers. */
@Injectable()
export class AttachmentsController implements Implementation<VolumeAttachmentServiceServer> {
  constructor(
    private readonly attachments: Attachments,
    private readonly local: LocalDriver,
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
        mountpoint: record.driver === 'local' ? this.local.mountpoint(record.name) : '',
        created,
        anonymous: record.anonymous,
      })),
    };
  }

  async mount(request: MountVolumesRequest): Promise<MountVolumesResponse> {
    const mounted = await this.attachments.mount(request.containerId, request.uses);
    return {
      volumes: [...mounted].map(([name, mountpoint]) => ({
        name,
        mountpoint,
        plain: this.attachments.isPlain(name),
      })),
    };
  }

  async unmount(request: ContainerVolumes): Promise<Empty> {
    await this.attachments.unmount(request.containerId);
    return {};
  }

  async populate(request: PopulateVolumeRequest): Promise<Empty> {
    await this.attachments.populate(request);
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
