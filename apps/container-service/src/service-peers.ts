import { Injectable } from '@nestjs/common';
import {
  ImageServiceService,
  SnapshotServiceService,
  type ImageServiceServer,
  type SnapshotServiceServer,
} from '@gantry/proto/image';
import { SandboxServiceService, type SandboxServiceServer } from '@gantry/proto/network';
import { VolumeAttachmentServiceService, type VolumeAttachmentServiceServer } from '@gantry/proto/volume';
import { Peers, type Client } from '@gantry/shared/grpc';

/** What this service asks of the others. */
@Injectable()
export class ServicePeers {
  readonly images: Client<ImageServiceServer>;
  readonly snapshots: Client<SnapshotServiceServer>;
  readonly volumes: Client<VolumeAttachmentServiceServer>;
  readonly sandboxes: Client<SandboxServiceServer>;

  constructor(peers: Peers) {
    this.images = peers.image.client<ImageServiceServer>(ImageServiceService);
    this.snapshots = peers.image.client<SnapshotServiceServer>(SnapshotServiceService);
    this.volumes = peers.volume.client<VolumeAttachmentServiceServer>(VolumeAttachmentServiceService);
    this.sandboxes = peers.network.client<SandboxServiceServer>(SandboxServiceService);
  }
}
