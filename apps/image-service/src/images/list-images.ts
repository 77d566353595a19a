import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument, isKind } from '@gantry/shared/errors';
import { booleanFilter, checkFilterNames, type FilterTerms, matchesLabels } from '@gantry/shared/filters';
import type { Descriptor } from '../manifests/manifest';
import { descriptorOf, ManifestCatalog } from '../manifests/manifest-catalog';
import { createdAt } from './image-config';
import { type CatalogEntry, ImageCatalog } from './image-catalog';
import { ImageLookup } from './image-lookup';
import { identityOf, ImageManifests, type ManifestSummary } from './image-manifests';
import { repoDigests, repoTags } from './image-references';
import { LayerUsage } from './layer-usage';
import { matchesReference } from './reference-glob';
import { parseUntil } from './until-filter';

/** API: ImageSummary. */
export interface ImageSummary {
  Id: string;
  ParentId: string;
  RepoTags: string[];
  RepoDigests: string[];
  Created: number;
  Size: number;
  SharedSize: number;
  Labels: Record<string, string> | null;
  Containers: number;
  Descriptor?: Descriptor;
  Manifests?: ManifestSummary[];
}

export interface ListOptions {
  all: boolean;
  sharedSize: boolean;
  /** With `Manifests`, and with `Identity` in them. */
  manifests?: boolean;
  identity?: boolean;
  filters: FilterTerms;
}

const FILTERS = ['dangling', 'label', 'label!', 'before', 'since', 'reference', 'until'];
/** What dockerd answers where it did not count. */
const NOT_COUNTED = -1;

/** GET /images/json and the images of GET /system/df. */
@Injectable()
export class ListImages {
  constructor(
    @Inject(ImageCatalog) private readonly catalog: ImageCatalog,
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(LayerUsage) private readonly usage: LayerUsage,
    @Inject(ManifestCatalog) private readonly manifestCatalog: ManifestCatalog,
    @Inject(ImageManifests) private readonly manifests: ImageManifests,
  ) {}

  async list(options: ListOptions): Promise<ImageSummary[]> {
    checkFilterNames(options.filters, FILTERS);
    const dangling = booleanFilter(options.filters, 'dangling');
    const matches = await this.matcher(options.filters);
    const [entries, containers, manifests] = await Promise.all([
      this.catalog.read(),
      this.catalog.containerCounts(),
      this.manifestCatalog.read(),
    ]);
    const sources = options.manifests || options.identity ? await this.manifests.sources() : undefined;
    const shared = options.sharedSize
      ? (await this.usage.measure(entries.map((entry) => entry.image))).shared
      : undefined;
    return entries.filter(matches).flatMap((entry) => {
      const summary = summarize(entry, options.filters.get('reference'));
      if (!summary || !isShown(entry, summary, options.all, dangling)) return [];
      const { id } = entry.image;
      const target = manifests.targetOf(id);
      const identity = options.identity ? identityOf(entry.references) : undefined;
      return [
        {
          ...summary,
          Containers: containers.get(id) ?? 0,
          ...(shared && { SharedSize: shared.get(id) ?? 0 }),
          ...(target && { Descriptor: descriptorOf(target.index ?? target.manifest) }),
          ...(target && sources && { Manifests: this.manifests.summaries(id, sources, identity) }),
        },
      ];
    });
  }

  async diskUsage(): Promise<{ LayersSize: number; Images: ImageSummary[] }> {
    const [entries, containers] = await Promise.all([this.catalog.read(), this.catalog.containerCounts()]);
    const { total, shared } = await this.usage.measure(entries.map((entry) => entry.image));
    const images = entries.flatMap((entry) => {
      const summary = summarize(entry, undefined);
      if (!summary || !isShown(entry, summary, false, undefined)) return [];
      const { id } = entry.image;
      return [{ ...summary, SharedSize: shared.get(id) ?? 0, Containers: containers.get(id) ?? 0 }];
    });
    return { LayersSize: total, Images: images };
  }

  private async matcher(filters: FilterTerms): Promise<(entry: CatalogEntry) => boolean> {
    const before = await this.creationOf(filters, 'before');
    const since = await this.creationOf(filters, 'since');
    const until = filters.get('until')?.map((value) => parseUntil(value));
    return ({ config }) => {
      const created = createdAt(config).getTime();
      if (before !== undefined && created >= before) return false;
      if (since !== undefined && created <= since) return false;
      if (until?.some((limit) => created >= limit)) return false;
      return matchesLabels(filters, config.config?.Labels);
    };
  }

  /** Milliseconds. @throws InvalidArgument for an image that is not there, as dockerd. */
  private async creationOf(filters: FilterTerms, name: string): Promise<number | undefined> {
    let found: number | undefined;
    for (const reference of filters.get(name) ?? []) {
      try {
        found = (await this.lookup.find(reference)).createdAt.getTime();
      } catch (error) {
        if (isKind(error, 'NotFound')) throw invalidArgument((error as Error).message, error);
        throw error;
      }
    }
    return found;
  }
}

/** undefined when the filter `reference` takes all names away. */
function summarize(
  { image, config, references }: CatalogEntry,
  patterns: readonly string[] | undefined,
): ImageSummary | undefined {
  const matches = (name: { repository: string }) =>
    patterns?.some((pattern) => matchesReference(pattern, name)) ?? true;
  const tags = references.tags.filter(matches);
  const digests = references.digests.filter(matches);
  if (patterns && tags.length + digests.length === 0) return undefined;
  return {
    Id: image.id,
    ParentId: image.parentId ?? '',
    RepoTags: repoTags({ tags, digests }),
    RepoDigests: repoDigests({ tags, digests }),
    Created: Math.floor(image.createdAt.getTime() / 1000),
    Size: Number(image.size),
    SharedSize: NOT_COUNTED,
    Labels: config.config?.Labels ?? null,
    Containers: NOT_COUNTED,
  };
}

/** An image without a name is shown where nothing was made from it, or all are asked for. */
function isShown(
  { hasChildren }: CatalogEntry,
  summary: ImageSummary,
  all: boolean,
  dangling: boolean | undefined,
): boolean {
  const isUnnamed = summary.RepoTags.length + summary.RepoDigests.length === 0;
  if (isUnnamed) return (all || !hasChildren) && dangling !== false;
  return dangling !== true || summary.RepoTags.length === 0;
}
