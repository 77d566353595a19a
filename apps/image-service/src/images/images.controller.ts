import { Inject, Injectable } from '@nestjs/common';
import type { ImageServiceServer } from '@gantry/proto/image';
import { notImplemented } from '@gantry/shared/errors';
import { filterTerms } from '@gantry/shared/filters';
import { fromJson, type Implementation, toJson } from '@gantry/shared/grpc';
import { CommitContainer } from '../commit/commit-container';
import { ImageDatabase } from '../database/image-database';
import { parseNamed } from '../references/reference';
import { platformOfJson, type RuntimeConfig } from './image-config';
import { ImageLookup } from './image-lookup';
import { ImageRemoval } from './image-removal';
import { ImageStore } from './image-store';
import { InspectImage } from './inspect-image';
import { ListImages } from './list-images';
import { PruneImages } from './prune-images';

type Service = Implementation<ImageServiceServer>;

/** gRPC ImageService: the API's questions about images. Long operations are jobs instead. */
@Injectable()
export class ImagesController implements Service {
  constructor(
    @Inject(ListImages) private readonly listing: ListImages,
    @Inject(InspectImage) private readonly inspection: InspectImage,
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(ImageRemoval) private readonly removal: ImageRemoval,
    @Inject(PruneImages) private readonly pruning: PruneImages,
    @Inject(CommitContainer) private readonly committing: CommitContainer,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
  ) {}

  list: Service['list'] = async ({ all, sharedSize, manifests, filters }) => {
    if (manifests) throw notImplemented('manifests of images are not kept yet');
    return toJson(await this.listing.list({ all, sharedSize, filters: filterTerms(filters) }));
  };

  inspect: Service['inspect'] = async ({ reference, manifests, platformJson }) => {
    if (manifests) throw notImplemented('manifests of images are not kept yet');
    return toJson(await this.inspection.inspect(reference, platformOfJson(platformJson)));
  };

  history: Service['history'] = async ({ reference, platformJson }) =>
    toJson(await this.inspection.history(reference, platformOfJson(platformJson)));

  tag: Service['tag'] = async ({ source, repository, tag }) => {
    const image = await this.lookup.find(source);
    await this.images.tag(image.id, parseNamed(tag === '' ? repository : `${repository}:${tag}`));
    return {};
  };

  remove: Service['remove'] = async ({ reference, force, noPrune }) => {
    const { items } = await this.removal.remove(reference, { force, prune: !noPrune });
    return toJson(items);
  };

  prune: Service['prune'] = async ({ filters }) => toJson(await this.pruning.prune(filterTerms(filters)));

  diskUsage: Service['diskUsage'] = async () => toJson(await this.listing.diskUsage());

  commit: Service['commit'] = async ({ containerConfig, ...options }) => {
    const config = containerConfig.length === 0 ? {} : fromJson<RuntimeConfig>(containerConfig);
    return { imageId: await this.committing.commit({ ...options, containerConfig: config }) };
  };

  count: Service['count'] = async () => ({
    images: await this.database.image.count({ where: { nodeId: this.images.nodeId } }),
  });
}
