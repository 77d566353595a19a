import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument, isKind } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { booleanFilter, checkFilterNames, type FilterTerms, matchesLabels } from '@gantry/shared/filters';
import { type CatalogEntry, ImageCatalog } from './image-catalog';
import { type DeletedItem, ImageRemoval, type Removal } from './image-removal';
import { repoDigests, repoTags } from './image-references';
import { parseUntil } from './until-filter';

/** API: response of ImagePrune. */
export interface PruneReport {
  ImagesDeleted: DeletedItem[] | null;
  SpaceReclaimed: number;
}

const FILTERS = ['dangling', 'label', 'label!', 'until'];

/** POST /images/prune: images without a tag, or with `dangling=false` all that no container uses. */
@Injectable()
export class PruneImages {
  constructor(
    @Inject(ImageCatalog) private readonly catalog: ImageCatalog,
    @Inject(ImageRemoval) private readonly removal: ImageRemoval,
    @Inject(EventPublisher) private readonly events: EventPublisher,
  ) {}

  /** `onItem` hears what goes when it has gone. Ends early, with what has gone until then, when `signal` fires. */
  async prune(
    filters: FilterTerms,
    { onItem, signal }: { onItem?(item: DeletedItem): Promise<void>; signal?: AbortSignal } = {},
  ): Promise<PruneReport> {
    checkFilterNames(filters, FILTERS);
    const danglingOnly = booleanFilter(filters, 'dangling') ?? true;
    const until = (filters.get('until') ?? []).map((value) => parseUntil(value));
    if (until.length > 1) throw invalidArgument('more than one until filter specified');
    const deleted: DeletedItem[] = [];
    let reclaimed = 0n;
    for (const entry of await this.catalog.read()) {
      if (entry.hasChildren && hasNoName(entry)) continue;
      if (until.some((limit) => entry.image.createdAt.getTime() > limit)) continue;
      if (!matchesLabels(filters, entry.config.config?.Labels)) continue;
      if (danglingOnly && entry.references.tags.length > 0) continue;
      for (const name of namesOf(entry)) {
        if (signal?.aborted) break;
        const removal = await this.removeIfFree(name);
        reclaimed += removal?.reclaimed ?? 0n;
        for (const item of removal?.items ?? []) {
          deleted.push(item);
          await onItem?.(item);
        }
      }
    }
    this.events.publish(engineEvent('image', 'prune', '', { reclaimed: String(reclaimed) }));
    return { ImagesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: Number(reclaimed) };
  }

  /** What is in use stays, and so does what somebody else removes meanwhile. */
  private async removeIfFree(name: string): Promise<Removal | undefined> {
    try {
      return await this.removal.remove(name, { force: false, prune: true });
    } catch (error) {
      if (isKind(error, 'Conflict') || isKind(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}

const hasNoName = ({ references }: CatalogEntry): boolean =>
  references.tags.length + references.digests.length === 0;

function namesOf(entry: CatalogEntry): string[] {
  if (hasNoName(entry)) return [entry.image.id.slice('sha256:'.length)];
  return [...repoTags(entry.references), ...repoDigests(entry.references)];
}
