import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import type { Image } from '../database/image-database';
import { LayerDirectories } from '../layers/layer-directories';
import { LayerStore } from '../layers/layer-store';
import {
  checkPlatform,
  type HistoryEntry,
  type ImageConfig,
  parseImageConfig,
  type Platform,
  type RuntimeConfig,
} from './image-config';
import { type Descriptor } from '../manifests/manifest';
import { descriptorOf, ManifestCatalog } from '../manifests/manifest-catalog';
import { ImageLookup } from './image-lookup';
import { type Identity, identityOf, ImageManifests, type ManifestSummary } from './image-manifests';
import { repoDigests, repoTags } from './image-references';
import { ImageStore } from './image-store';

/** API: ImageInspect, with the fields of older versions that the gateway may take away. */
export interface ImageDocument {
  Id: string;
  Descriptor?: Descriptor;
  Manifests?: ManifestSummary[];
  Identity?: Identity;
  RepoTags: string[];
  RepoDigests: string[];
  Parent: string;
  Comment: string;
  Created?: string;
  DockerVersion: string;
  Author: string;
  Config: RuntimeConfig;
  Architecture: string;
  Variant?: string;
  Os: string;
  OsVersion?: string;
  Size: number;
  GraphDriver: { Name: string; Data: Record<string, string> };
  RootFS: { Type: string; Layers?: string[] };
  Metadata: { LastTagTime: string };
}

/** API: HistoryResponseItem. */
export interface HistoryItem {
  Id: string;
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

const ZERO_TIME = '0001-01-01T00:00:00Z';
const MISSING = '<missing>';

/** GET /images/{name}/json and /images/{name}/history. */
@Injectable()
export class InspectImage {
  constructor(
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(ManifestCatalog) private readonly catalog: ManifestCatalog,
    @Inject(ImageManifests) private readonly manifests: ImageManifests,
  ) {}

  /** @throws InvalidArgument where a platform and all manifests are asked for */
  async inspect(
    reference: string,
    options: { platform?: Platform; manifests?: boolean } = {},
  ): Promise<ImageDocument> {
    const { platform } = options;
    if (platform && options.manifests) {
      throw invalidArgument('conflicting options: manifests and platform options cannot both be set');
    }
    const image = await this.lookup.findWhole(reference);
    const config = configOf(image, reference, platform);
    const registered = image.hasManifests ? await this.registered(image, options) : {};
    const identity = identityOf(image);
    return {
      Id: image.id,
      ...registered,
      ...(identity && { Identity: identity }),
      RepoTags: repoTags(image),
      RepoDigests: repoDigests(image),
      Parent: image.parentId ?? '',
      Comment: config.comment || config.history?.at(-1)?.comment || '',
      ...(config.created && { Created: inGo(config.created) }),
      DockerVersion: config.docker_version ?? '',
      Author: config.author ?? '',
      Config: config.config ?? {},
      Architecture: config.architecture ?? '',
      ...(config.variant && { Variant: config.variant }),
      Os: config.os ?? '',
      ...(config['os.version'] && { OsVersion: config['os.version'] }),
      Size: Number(image.size),
      GraphDriver: { Name: 'overlay2', Data: this.driverData(image.layerIds) },
      RootFS: {
        Type: config.rootfs.type,
        ...(config.rootfs.diff_ids.length > 0 && { Layers: config.rootfs.diff_ids }),
      },
      Metadata: { LastTagTime: image.lastTaggedAt?.toISOString() ?? ZERO_TIME },
    };
  }

  /** What registries have of it; nothing where it never was in one. Of one platform the index is not spoken of. */
  private async registered(
    image: Image,
    { platform, manifests }: { platform?: Platform; manifests?: boolean },
  ): Promise<Pick<ImageDocument, 'Descriptor' | 'Manifests'>> {
    const sources = manifests ? await this.manifests.sources() : undefined;
    const target = (sources?.manifests ?? (await this.catalog.read())).targetOf(image.id);
    if (!target) return {};
    const descriptor = descriptorOf(platform ? target.manifest : (target.index ?? target.manifest));
    return {
      Descriptor: descriptor,
      ...(sources && { Manifests: this.manifests.summaries(image.id, sources, undefined) }),
    };
  }

  /** Newest first. */
  async history(reference: string, platform: Platform | undefined): Promise<HistoryItem[]> {
    const image = await this.lookup.find(reference);
    const config = configOf(image, reference, platform);
    const layers = await this.layers.chain(image.topChainId);
    const items: HistoryItem[] = [];
    const history: HistoryEntry[] = config.history ?? layers.map(() => ({}));
    for (const entry of [...history].reverse()) {
      const layer = entry.empty_layer ? undefined : layers.shift();
      items.push({
        Id: MISSING,
        Created: Math.floor(new Date(entry.created ?? 0).getTime() / 1000),
        CreatedBy: entry.created_by ?? '',
        Tags: null,
        Size: Number(layer?.size ?? 0n),
        Comment: entry.comment ?? '',
      });
    }
    await this.nameAncestors(image, items);
    return items;
  }

  /** The n-th newest step is the n-th ancestor's, as far as those are on this node. */
  private async nameAncestors(image: Image, items: HistoryItem[]): Promise<void> {
    let ancestor: Image | null = image;
    for (const item of items) {
      if (!ancestor) return;
      const tags = repoTags(await this.images.references(ancestor.id));
      item.Id = ancestor.id;
      item.Tags = tags.length > 0 ? tags : null;
      ancestor = ancestor.parentId ? await this.images.find(ancestor.parentId) : null;
    }
  }

  /** API: DriverData of the top layer. */
  private driverData(layerIds: string[]): Record<string, string> {
    const [top, ...below] = layerIds;
    if (top === undefined) return {};
    return {
      ...(below.length > 0 && { LowerDir: below.map((id) => this.directories.diff(id)).join(':') }),
      MergedDir: this.directories.path(top, 'merged'),
      UpperDir: this.directories.diff(top),
      WorkDir: this.directories.path(top, 'work'),
    };
  }
}

/** A time as Go writes it again (RFC3339Nano): others write `+00:00`, and zeros at the end. */
export const inGo = (time: string): string =>
  time
    .replace(/(\.\d*?)0+(?=[Z+-])/, '$1')
    .replace(/\.(?=[Z+-])/, '')
    .replace(/\+00:00$/, 'Z');

/** @throws NotFound where the image is for another platform */
function configOf(image: Image, reference: string, platform: Platform | undefined): ImageConfig {
  const config = parseImageConfig(image.config);
  if (platform) checkPlatform(config, platform, reference);
  return config;
}
