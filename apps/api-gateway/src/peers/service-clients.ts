import { Inject, Injectable } from '@nestjs/common';
import type { ClientDuplexStream, ClientReadableStream } from '@grpc/grpc-js';
import {
  ContainerServiceService,
  type ContainerServiceServer,
  ExecServiceService,
  type ExecServiceServer,
} from '@gantry/proto/container';
import {
  BuildCacheServiceService,
  type BuildCacheServiceServer,
  ImageServiceService,
  type ImageServiceServer,
  RegistryServiceService,
  type RegistryServiceServer,
} from '@gantry/proto/image';
import { NetworkServiceService, type NetworkServiceServer } from '@gantry/proto/network';
import {
  VolumeArchiveServiceService,
  type VolumeArchiveServiceServer,
  VolumeServiceService,
  type VolumeServiceServer,
} from '@gantry/proto/volume';
import { type Client, messages, Peers } from '@gantry/shared/grpc';

/** The services behind the API, as typed clients. Connections are made at first use. */
@Injectable()
export class ServiceClients {
  readonly containers: Client<ContainerServiceServer>;
  readonly execs: Client<ExecServiceServer>;
  readonly images: Client<ImageServiceServer>;
  readonly buildCache: Client<BuildCacheServiceServer>;
  readonly registries: Client<RegistryServiceServer>;
  readonly volumes: Client<VolumeServiceServer>;
  readonly volumeArchives: Client<VolumeArchiveServiceServer>;
  readonly networks: Client<NetworkServiceServer>;

  constructor(@Inject(Peers) private readonly peers: Peers) {
    this.containers = peers.container.client<ContainerServiceServer>(ContainerServiceService);
    this.execs = peers.container.client<ExecServiceServer>(ExecServiceService);
    this.images = peers.image.client<ImageServiceServer>(ImageServiceService);
    this.buildCache = peers.image.client<BuildCacheServiceServer>(BuildCacheServiceService);
    this.registries = peers.image.client<RegistryServiceServer>(RegistryServiceService);
    this.volumes = peers.volume.client<VolumeServiceServer>(VolumeServiceService);
    this.volumeArchives = peers.volume.client<VolumeArchiveServiceServer>(VolumeArchiveServiceService);
    this.networks = peers.network.client<NetworkServiceServer>(NetworkServiceService);
  }

  /** The messages of a stream of a service; its errors are EngineErrors. Leaving the loop cancels the call. */
  messagesOf<T>(
    call: ClientReadableStream<T> | ClientDuplexStream<never, T>,
    peer: 'container' | 'image' | 'volume' = 'container',
  ): AsyncGenerator<T, undefined> {
    call.on('error', () => {}); // the loop sees it; what comes after the loop is of no interest
    return messages(this.peers[peer], call) as AsyncGenerator<T, undefined>;
  }
}
