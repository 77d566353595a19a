import { Injectable } from '@nestjs/common';
import type { ContainerRecord } from '../records/container-record';
import { ServicePeers } from '../service-peers';

/** The volumes of a container, mounted while it runs or its files are looked at. */
@Injectable()
export class VolumeMounts {
  constructor(private readonly peers: ServicePeers) {}

  /** For a run, which is an event for each. The record says afterwards where they are. */
  async mountForRun(record: ContainerRecord): Promise<void> {
    const uses = volumesOf(record).map(({ Name = '', Destination, RW, Propagation }) => ({
      name: Name,
      destination: Destination,
      readOnly: !RW,
      propagation: Propagation,
    }));
    await this.mountAll(record, uses);
  }

  async mountToLook(record: ContainerRecord): Promise<void> {
    await this.mountAll(record, []);
  }

  async unmount(record: ContainerRecord): Promise<void> {
    if (volumesOf(record).length > 0) await this.peers.volumes.unmount({ containerId: record.id });
  }

  private async mountAll(
    record: ContainerRecord,
    uses: { name: string; destination: string; readOnly: boolean; propagation: string }[],
  ): Promise<void> {
    if (volumesOf(record).length === 0) return;
    const { volumes } = await this.peers.volumes.mount({ containerId: record.id, uses });
    const found = new Map(volumes.map((volume) => [volume.name, volume]));
    for (const mount of volumesOf(record)) {
      const volume = found.get(mount.Name ?? '');
      if (volume) Object.assign(mount, { Source: volume.mountpoint, plain: volume.plain });
    }
  }
}

const volumesOf = ({ mounts }: ContainerRecord) => mounts.filter((mount) => mount.Type === 'volume');
