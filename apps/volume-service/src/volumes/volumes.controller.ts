import { Injectable } from '@nestjs/common';
import { checkFieldTypes, type Struct } from '@gantry/shared/documents';
import { EngineError, invalidArgument, isKind } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { filterTerms } from '@gantry/shared/filters';
import { fromJson, toJson, type Implementation } from '@gantry/shared/grpc';
import type { FileStamp } from '@gantry/shared/validity';
import { PruneTurn } from '@gantry/shared/prunes';
import type { Empty, JsonDocument } from '@gantry/proto/common';
import type {
  CreateVolumeRequest,
  ListVolumesRequest,
  PruneVolumesRequest,
  RemoveVolumeRequest,
  VolumeDocument,
  VolumeReference,
  VolumeServiceServer,
} from '@gantry/proto/volume';
import { VolumeDrivers } from '../drivers/volume-drivers';
import { type ApiVolume, toApi } from './volume';
import { VolumeCatalogue } from './volume-catalogue';
import { listFilter, pruneFilter } from './volume-filters';
import { VolumeListing } from './volume-listing';
import { VolumeSizes } from './volume-sizes';

/** API: VolumeCreateRequest. */
interface VolumeCreateRequest {
  Name?: string;
  Driver?: string;
  DriverOpts?: Record<string, string> | null;
  Labels?: Record<string, string> | null;
  ClusterVolumeSpec?: unknown;
}

const CREATE_REQUEST: Struct = {
  struct: 'volume.CreateRequest',
  fields: { Name: 'string', Driver: 'string', DriverOpts: { map: 'string' }, Labels: { map: 'string' } },
};

/** The API's tag `Volume`. */
@Injectable()
export class VolumesController implements Implementation<VolumeServiceServer> {
  private readonly prunes = new PruneTurn();

  constructor(
    private readonly volumes: VolumeCatalogue,
    private readonly listing: VolumeListing,
    private readonly sizes: VolumeSizes,
    private readonly events: EventPublisher,
    private readonly installed: VolumeDrivers,
  ) {}

  async drivers(): Promise<{ names: string[] }> {
    return { names: this.installed.names() };
  }

  async create(request: CreateVolumeRequest): Promise<VolumeDocument> {
    const config = fromJson<VolumeCreateRequest>(request.config);
    checkFieldTypes(config, CREATE_REQUEST);
    if (config.ClusterVolumeSpec) {
      throw invalidArgument('cluster volumes are not supported: this node is not a swarm manager');
    }
    const { volume } = await this.volumes.create({
      name: config.Name ?? '',
      driver: config.Driver ?? '',
      options: config.DriverOpts ?? {},
      labels: config.Labels ?? {},
    });
    const validWhile = this.listing.validityOf(volume.record);
    return documentOf(await this.listing.describe(volume.record), validWhile);
  }

  async list(request: ListVolumesRequest): Promise<JsonDocument> {
    const matches = listFilter(filterTerms(request.filters));
    const { volumes, warnings } = await this.listing.all();
    return toJson({
      Volumes: volumes.filter(matches).map(({ record, details }) => toApi(record, details)),
      Warnings: warnings.length > 0 ? warnings : null,
    });
  }

  async inspect({ name }: VolumeReference): Promise<VolumeDocument> {
    // Before it is read: what changes meanwhile ends it.
    const record = this.volumes.find(name)?.record;
    const validWhile = record && this.listing.validityOf(record);
    return documentOf(await this.listing.inspect(name), validWhile);
  }

  async remove(request: RemoveVolumeRequest): Promise<Empty> {
    try {
      await this.volumes.remove(request.name, request.force);
    } catch (error) {
      if (!request.force || !isKind(error, 'NotFound')) throw error;
    }
    return {};
  }

  async prune(request: PruneVolumesRequest): Promise<JsonDocument> {
    return this.prunes.take(() => this.removeUnused(request));
  }

  private async removeUnused(request: PruneVolumesRequest): Promise<JsonDocument> {
    const matches = pruneFilter(filterTerms(request.filters));
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const volume of this.volumes.all().filter(matches)) {
      const { name } = volume.record;
      const bytes = await this.sizes.measure(name);
      try {
        await this.volumes.remove(name);
      } catch (error) {
        // Somebody was quicker: it is in use by now, or gone. Or its plugin does not want to.
        if (error instanceof EngineError) continue;
        throw error;
      }
      deleted.push(name);
      reclaimed += Math.max(0, bytes);
    }
    this.events.publish(engineEvent('volume', 'prune', '', { reclaimed: String(reclaimed) }));
    return toJson({ VolumesDeleted: deleted, SpaceReclaimed: reclaimed });
  }

  async diskUsage(): Promise<JsonDocument> {
    const { volumes } = await this.listing.all();
    const sizes = await this.sizes.of(volumes.map(({ record }) => record.name));
    return toJson(
      volumes.map(({ record, details, users }) => ({
        ...toApi(record, details),
        UsageData: { Size: sizes.get(record.name) ?? -1, RefCount: users.size },
      })),
    );
  }
}

const documentOf = (volume: ApiVolume, validWhile: FileStamp | undefined): VolumeDocument => ({
  name: volume.Name,
  ...toJson(volume),
  validWhile,
});
