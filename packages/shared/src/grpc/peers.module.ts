import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '../config';
import { ServiceChannel } from './client';

/** Lazy connections to the services; made at first use, so that a service holds only those that it needs. */
export class Peers {
  private readonly channels = new Map<string, ServiceChannel>();

  constructor(private readonly config: InstanceConfig) {}

  get image(): ServiceChannel {
    return this.channel('image-service', this.config.addresses.image);
  }
  get container(): ServiceChannel {
    return this.channel('container-service', this.config.addresses.container);
  }
  get volume(): ServiceChannel {
    return this.channel('volume-service', this.config.addresses.volume);
  }
  get network(): ServiceChannel {
    return this.channel('network-service', this.config.addresses.network);
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
  }

  private channel(service: string, address: string): ServiceChannel {
    let channel = this.channels.get(service);
    if (!channel) {
      channel = new ServiceChannel(service, address, this.config.rpcTls);
      this.channels.set(service, channel);
    }
    return channel;
  }
}

@Global()
@Module({
  providers: [
    { provide: Peers, inject: [INSTANCE_CONFIG], useFactory: (config: InstanceConfig) => new Peers(config) },
  ],
  exports: [Peers],
})
export class PeersModule implements OnApplicationShutdown {
  constructor(@Inject(Peers) private readonly peers: Peers) {}

  onApplicationShutdown(): void {
    this.peers.close();
  }
}
