import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { type Image, ImageDatabase } from '../database/image-database';
import { type ImageConfig, parseImageConfig } from './image-config';
import type { ImageReferences } from './image-store';

/** Everything the node knows of one image. */
export interface CatalogEntry {
  image: Image;
  config: ImageConfig;
  references: ImageReferences;
  /** Whether another image was made from it here. */
  hasChildren: boolean;
}

/** All images of the node at one moment, newest first, in four queries however many there are. */
@Injectable()
export class ImageCatalog {
  private readonly nodeId: string;
  /** Parsed configurations by id: they cannot change. */
  private readonly configs = new Map<string, ImageConfig>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
  ) {
    this.nodeId = config.nodeId;
  }

  async read(): Promise<CatalogEntry[]> {
    const where = { nodeId: this.nodeId };
    const [images, tags, digests] = await Promise.all([
      this.database.image.findMany({ where, orderBy: [{ createdAt: 'desc' }, { id: 'asc' }] }),
      this.database.tag.findMany({ where, orderBy: [{ repository: 'asc' }, { tag: 'asc' }] }),
      this.database.imageDigest.findMany({ where, orderBy: [{ repository: 'asc' }, { digest: 'asc' }] }),
    ]);
    const parents = new Set(images.map((image) => image.parentId));
    const references = new Map(
      images.map((image) => [image.id, { tags: [], digests: [] } as ImageReferences]),
    );
    for (const tag of tags) references.get(tag.imageId)?.tags.push(tag);
    for (const digest of digests) references.get(digest.imageId)?.digests.push(digest);
    this.forgetOthers(references);
    return images.map((image) => ({
      image,
      config: this.configOf(image),
      references: references.get(image.id) ?? { tags: [], digests: [] },
      hasChildren: parents.has(image.id),
    }));
  }

  /** How many containers use each image. */
  async containerCounts(): Promise<Map<string, number>> {
    const rows = await this.database.snapshot.groupBy({
      by: ['imageId'],
      where: { nodeId: this.nodeId },
      _count: { _all: true },
    });
    return new Map(rows.map((row) => [row.imageId, row._count._all]));
  }

  private configOf(image: Image): ImageConfig {
    const known = this.configs.get(image.id) ?? parseImageConfig(image.config);
    this.configs.set(image.id, known);
    return known;
  }

  private forgetOthers(present: ReadonlyMap<string, unknown>): void {
    for (const id of this.configs.keys()) if (!present.has(id)) this.configs.delete(id);
  }
}
