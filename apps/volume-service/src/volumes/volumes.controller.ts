import { Injectable } from '@nestjs/common';
import { invalidArgument, isKind } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { filterTerms } from '@gantry/shared/filters';
import { fromJson, toJson, type Implementation } from '@gantry/shared/grpc';
import type { Empty, JsonDocument } from '@gantry/proto/common';
import type {
  CreateVolumeRequest,
  ListVolumesRequest,
  PruneVolumesRequest,
  RemoveVolumeRequest,
  VolumeReference,
  VolumeServiceServer,
} from '@gantry/proto/volume';
import { toApi, type ApiVolume, type Volume } from './volume';
import { VolumeCatalogue } from './volume-catalogue';
import { listFilter, pruneFilter } from './volume-filters';
import { VolumeSizes } from './volume-sizes';

/** API: VolumeCreateRequest. */
interface VolumeCreateRequest {
  Name?: string;
  Driver?: string;
  DriverOpts?: Record<string, string> | null;
  Labels?: Record<string, string> | null;
  ClusterVolumeSpec?: unknown;
}

/** The API's tag `Volume`. */
@Injectable()
export class VolumesController implements Implementation<VolumeServiceServer> {
  constructor(
    private readonly volumes: VolumeCatalogue,
    private readonly sizes: VolumeSizes,
    private readonly events: EventPublisher,
  ) {}

  async create(request: CreateVolumeRequest): Promise<JsonDocument> {
    const config = fromJson<VolumeCreateRequest>(request.config);
    if (config.ClusterVolumeSpec) {
      throw invalidArgument('cluster volumes are not supported: this node is not a swarm manager');
    }
    const { volume } = await this.volumes.create({
      name: config.Name ?? '',
      driver: config.Driver ?? '',
      options: config.DriverOpts ?? {},
      labels: config.Labels ?? {},
    });
    return toJson(this.api(volume));
  }

  async list(request: ListVolumesRequest): Promise<JsonDocument> {
    const matches = listFilter(filterTerms(request.filters));
    const found = this.volumes.all().filter(matches);
    return toJson({ Volumes: found.map((volume) => this.api(volume)), Warnings: null });
  }

  async inspect(request: VolumeReference): Promise<JsonDocument> {
    return toJson(this.api(this.volumes.get(request.name)));
  }

  async remove(request: RemoveVolumeRequest): Promise<Empty> {
    if (!(request.force && !this.volumes.find(request.name))) await this.volumes.remove(request.name);
    return {};
  }

  async prune(request: PruneVolumesRequest): Promise<JsonDocument> {
    const matches = pruneFilter(filterTerms(request.filters));
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const volume of this.volumes.all().filter(matches)) {
      const { name } = volume.record;
      const bytes = await this.sizes.measure(name);
      try {
        await this.volumes.remove(name);
      } catch (error) {
        // Somebody was quicker: it is in use by now, or gone.
        if (isKind(error, 'Conflict') || isKind(error, 'NotFound')) continue;
        throw error;
      }
      deleted.push(name);
      reclaimed += Math.max(0, bytes);
    }
    this.events.publish(engineEvent('volume', 'prune', '', { reclaimed: String(reclaimed) }));
    return toJson({ VolumesDeleted: deleted, SpaceReclaimed: reclaimed });
  }

  async diskUsage(): Promise<JsonDocument> {
    const volumes = this.volumes.all();
    const sizes = await this.sizes.of(volumes.map(({ record }) => record.name));
    return toJson(
      volumes.map((volume) => ({
        ...this.api(volume),
        UsageData: { Size: sizes.get(volume.record.name) ?? -1, RefCount: volume.users.size },
      })),
    );
  }

  private api({ record }: Volume): ApiVolume {
    return toApi(record, this.volumes.mountpoint(record.name));
  }
}
