import { Inject, Injectable } from '@nestjs/common';
import type { ImageServiceServer } from '@gantry/proto/image';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { filterTerms } from '@gantry/shared/filters';
import { fromJson, type Implementation, toJson, writeMessage } from '@gantry/shared/grpc';
import { PruneTurn } from '@gantry/shared/prunes';
import { CommitContainer } from '../commit/commit-container';
import { ImageDatabase } from '../database/image-database';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import { registryDocument } from '../registry/registry-document';
import { driverStatus } from '../layers/driver-status';
import { parseNamed } from '../references/reference';
import { platformOfJson, type RuntimeConfig } from './image-config';
import { ImageLookup } from './image-lookup';
import { ImageAttestations } from './image-attestations';
import { type DeletedItem, ImageRemoval } from './image-removal';
import { ImageStore } from './image-store';
import { InspectImage } from './inspect-image';
import { ListImages } from './list-images';
import { PruneImages } from './prune-images';

type Service = Implementation<ImageServiceServer>;

/** gRPC ImageService: the API's questions about images. Long operations are jobs instead. */
@Injectable()
export class ImagesController implements Service {
  private readonly prunes = new PruneTurn();

  constructor(
    @Inject(ListImages) private readonly listing: ListImages,
    @Inject(InspectImage) private readonly inspection: InspectImage,
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(ImageRemoval) private readonly removal: ImageRemoval,
    @Inject(PruneImages) private readonly pruning: PruneImages,
    @Inject(ImageAttestations) private readonly attested: ImageAttestations,
    @Inject(CommitContainer) private readonly committing: CommitContainer,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(IMAGE_SETTINGS) private readonly settings: ImageSettings,
  ) {}

  list: Service['list'] = async ({ filters, ...options }) =>
    toJson(await this.listing.list({ ...options, filters: filterTerms(filters) }));

  inspect: Service['inspect'] = async ({ reference, manifests, platformJson }) =>
    toJson(await this.inspection.inspect(reference, { manifests, platform: platformOfJson(platformJson) }));

  resolve: Service['resolve'] = async ({ references, descendants }) => {
    const ids = await this.lookup.idsOf(references);
    const families = ids.map(async (id) => {
      if (id === undefined) return { ids: [] };
      return { ids: descendants ? await this.lookup.withDescendants(id) : [id] };
    });
    return { images: await Promise.all(families) };
  };

  history: Service['history'] = async ({ reference, platformJson }) =>
    toJson(await this.inspection.history(reference, platformOfJson(platformJson)));

  tag: Service['tag'] = async ({ source, repository, tag }) => {
    const image = await this.lookup.find(source);
    await this.images.tag(image.id, parseNamed(tag === '' ? repository : `${repository}:${tag}`));
    return {};
  };

  remove: Service['remove'] = async ({ reference, force, noPrune, platformsJson }) => {
    const platforms = platformsJson.map(platformOfJson).filter((platform) => platform !== undefined);
    const { items } = await this.removal.remove(reference, { force, prune: !noPrune, platforms });
    return toJson(items);
  };

  prune: Service['prune'] = async ({ filters }, { signal }) =>
    toJson(await this.prunes.take(() => this.pruning.prune(filterTerms(filters), { signal })));

  pruneProgress: Service['pruneProgress'] = async (call) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    const onItem = async (item: DeletedItem) => {
      const [[status, id]] = Object.entries(item) as [[string, string]];
      await writeMessage(call, toJson({ id, status }));
    };
    const filters = filterTerms(call.request.filters);
    const report = await this.prunes.take(() => this.pruning.prune(filters, { onItem, signal: gone.signal }));
    await writeMessage(call, toJson({ aux: report }));
  };

  attestations: Service['attestations'] = async ({ reference, platformJson, types, statement }) => {
    const platform = platformOfJson(platformJson);
    return toJson(await this.attested.find(reference, { platform, types, statement }));
  };

  diskUsage: Service['diskUsage'] = async () => toJson(await this.listing.diskUsage());

  commit: Service['commit'] = async ({ containerConfig, ...options }) => {
    const config = containerConfig.length === 0 ? {} : fromJson<RuntimeConfig>(containerConfig);
    return this.committing.commit({ ...options, containerConfig: config });
  };

  count: Service['count'] = async () => ({
    images: await this.database.image.count({ where: { nodeId: this.images.nodeId } }),
    driverStatus: toJson(driverStatus(this.config.dataRoot)).json,
    registryConfig: toJson(registryDocument(this.settings)).json,
  });
}
