import { Injectable } from '@nestjs/common';
import { isKind } from '@gantry/shared/errors';
import { filterTerms, type FilterTerms } from '@gantry/shared/filters';
import { ContainerFiles } from '../lifecycle/container-files';
import { linkDocument, namesByLinks } from '../networks/legacy-links';
import type { ContainerRecord } from '../records/container-record';
import { ContainerStore } from '../records/container-store';
import { MonitorPaths } from '../runtime/monitor-paths';
import { ServicePeers } from '../service-peers';
import { containerDocument, containerSummary, type Sizes } from './container-documents';
import { containerFilter } from './container-filters';

/** How long a list waits for what images are called by now. Milliseconds. */
const NAMES_MS = 1_000;

export interface ListQuery {
  all: boolean;
  limit: number;
  size: boolean;
  filters: { terms: Record<string, { values: string[] }> } | undefined;
}

/** `docker ps`, `docker inspect` and their kin: answered from memory, but for what images are called by now. */
@Injectable()
export class ContainerListing {
  constructor(
    private readonly store: ContainerStore,
    private readonly peers: ServicePeers,
    private readonly files: ContainerFiles,
    private readonly paths: MonitorPaths,
  ) {}

  /** API: []ContainerSummary, newest first. */
  async list(query: ListQuery): Promise<object[]> {
    const terms = filterTerms(query.filters);
    const matches = containerFilter(terms, this.store, await this.ancestors(terms));
    const everything = query.all || query.limit > 0 || terms.has('status');
    const found = this.newestFirst()
      .filter((record) => everything || record.state.Running)
      .filter(matches);
    const wanted = query.limit > 0 ? found.slice(0, query.limit) : found;
    const linkNames = namesByLinks(this.store);
    const imageNames = await this.imageNames(wanted);
    return Promise.all(
      wanted.map(async (record) =>
        containerSummary(record, {
          imageName: imageNames.get(record) ?? record.config.Image,
          linkNames: linkNames.get(record.id) ?? [],
          sizes: query.size ? await this.sizes(record) : {},
        }),
      ),
    );
  }

  /** API: ContainerInspectResponse. */
  async inspect(reference: string, size: boolean): Promise<object> {
    const record = this.store.resolve(reference);
    return containerDocument(record, {
      paths: this.paths,
      files: this.files.networkFiles(record),
      execIds: [...this.store.execIds(record.id)],
      links: linkDocument(record, this.store),
      sizes: size ? await this.sizes(record) : {},
    });
  }

  async sizes(record: ContainerRecord): Promise<Sizes> {
    try {
      const usage = await this.peers.snapshots.usage({ containerId: record.id });
      return { SizeRw: usage.sizeRw, SizeRootFs: usage.sizeRootFs };
    } catch (error) {
      if (isKind(error, 'NotFound')) return { SizeRw: 0, SizeRootFs: 0 };
      throw error;
    }
  }

  private newestFirst(): ContainerRecord[] {
    return this.store.all().sort((a, b) => (a.created < b.created ? 1 : a.created > b.created ? -1 : 0));
  }

  /** A name that another image has by now, or none, is no longer that of the container's: its id is shown. */
  private async imageNames(records: ContainerRecord[]): Promise<Map<ContainerRecord, string>> {
    const references = [...new Set(records.map(({ config }) => config.Image))];
    if (references.length === 0) return new Map();
    try {
      const request = { references, descendants: false };
      const { images } = await this.peers.images.resolve(request, { deadlineMs: NAMES_MS });
      const ids = new Map(references.map((name, index) => [name, images[index]?.ids[0]]));
      return new Map(
        records.map((record) => {
          const { Image } = record.config;
          return [record, ids.get(Image) === record.imageId ? Image : record.imageId];
        }),
      );
    } catch {
      return new Map(); // a list of containers does not depend on image-service, nor on its PostgreSQL
    }
  }

  /** The ids of the images that `ancestor` names, and of those that were made from them. */
  private async ancestors(terms: FilterTerms): Promise<Set<string>> {
    const references = [...(terms.get('ancestor') ?? [])];
    if (references.length === 0) return new Set();
    const { images } = await this.peers.images.resolve({ references, descendants: true });
    return new Set(images.flatMap(({ ids }) => ids));
  }
}
