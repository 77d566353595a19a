import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { invalidArgument, notFound } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { faultPoint } from '@gantry/shared/faults';
import { BlobStore } from '../blobs/blob-store';
import { type Image, ImageDatabase, isForeignKeyViolation } from '../database/image-database';
import type { StoredLayer } from '../layers/layer-store';
import { ImageRecords } from '../records/image-records';
import { familiar, familiarRepository, type NamedReference, withDefaultTag } from '../references/reference';
import { createdAt, parseImageConfig } from './image-config';

export interface ImageReferences {
  tags: { repository: string; tag: string }[];
  digests: { repository: string; digest: string }[];
}

/** The images of this node and their names. */
@Injectable()
export class ImageStore {
  readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(EventPublisher) private readonly events: EventPublisher,
    @Inject(ImageRecords) private readonly records: ImageRecords,
  ) {
    this.nodeId = config.nodeId;
  }

  /**
   * Adds an image whose layers are all there; `config` is kept byte for byte. Returns its id. `isStep`: the build that it is a
   * step of makes it last, when it flushes its layers.
   */
  async create(
    config: Buffer,
    layers: StoredLayer[],
    parentId: string | null = null,
    { isStep } = { isStep: false },
  ): Promise<string> {
    const parsed = parseImageConfig(config);
    const id = this.blobs.put(config, undefined, { flush: !isStep });
    faultPoint('image-blob');
    try {
      await this.database.image.createMany({
        data: [
          {
            nodeId: this.nodeId,
            id,
            config: Uint8Array.from(config),
            topChainId: layers.at(-1)?.chainId ?? null,
            parentId,
            size: layers.reduce((sum, layer) => sum + layer.size, 0n),
            createdAt: createdAt(parsed),
          },
        ],
        skipDuplicates: true,
      });
    } catch (error) {
      throw isForeignKeyViolation(error) ? notFound('a layer of the image was removed meanwhile') : error;
    }
    // Whoever removed the same image in between may have taken the blob along.
    this.blobs.put(config, undefined, { flush: !isStep });
    if (!isStep) this.noteChange();
    faultPoint('image-created');
    return id;
  }

  /** `docker tag`: points a name at an image; it may have pointed elsewhere, whose id is returned then. */
  async tag(imageId: string, name: NamedReference): Promise<string | undefined> {
    const before = await this.name(imageId, name);
    await this.announce(imageId, 'tag', familiar(taggable(name)));
    return before;
  }

  /** The same, silently: a load says of itself what it did. */
  async name(imageId: string, name: NamedReference): Promise<string | undefined> {
    const before = await this.point(imageId, taggable(name));
    return before !== null && before !== imageId ? before : undefined;
  }

  /** Points a name at an image, silently. Returns where it pointed before. */
  async point(imageId: string, name: { repository: string; tag: string }): Promise<string | null> {
    const { repository, tag } = name;
    const [before] = await this.database.$queryRaw<{ image_id: string | null }[]>`
      WITH before AS (
        SELECT image_id FROM tags WHERE node_id = ${this.nodeId} AND repository = ${repository} AND tag = ${tag}
      ), moved AS (
        INSERT INTO tags (node_id, repository, tag, image_id) VALUES (${this.nodeId}, ${repository}, ${tag}, ${imageId})
        ON CONFLICT (node_id, repository, tag) DO UPDATE SET image_id = EXCLUDED.image_id
      ), touched AS (
        UPDATE images SET last_tagged_at = now() WHERE node_id = ${this.nodeId} AND id = ${imageId}
      )
      SELECT (SELECT image_id FROM before) AS image_id`;
    this.noteChange();
    return before?.image_id ?? null;
  }

  /** Remembers by which manifest a repository knows the image; an image that has gone meanwhile is not missed. */
  async addDigest(imageId: string, repository: string, digest: string): Promise<void> {
    try {
      await this.database.imageDigest.upsert({
        where: { nodeId_repository_digest: { nodeId: this.nodeId, repository, digest } },
        create: { nodeId: this.nodeId, repository, digest, imageId },
        update: { imageId },
      });
      this.noteChange();
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error;
    }
  }

  /** Whoever changes rows of images or of their names otherwise says so: the records on disk follow. */
  noteChange(): void {
    this.records.changed();
  }

  /** The tags of a repository in their order, and whether the node knows it at all, if by digests only. */
  async tagsOf(repository: string): Promise<{ tags: { tag: string; imageId: string }[]; isKnown: boolean }> {
    const where = { nodeId: this.nodeId, repository };
    const [tags, digests] = await Promise.all([
      this.database.tag.findMany({ where, orderBy: { tag: 'asc' } }),
      this.database.imageDigest.count({ where }),
    ]);
    return { tags, isKnown: tags.length + digests > 0 };
  }

  async find(imageId: string): Promise<Image | null> {
    return this.database.image.findUnique({ where: { nodeId_id: { nodeId: this.nodeId, id: imageId } } });
  }

  async references(imageId: string): Promise<ImageReferences> {
    const where = { nodeId: this.nodeId, imageId };
    const [tags, digests] = await Promise.all([
      this.database.tag.findMany({ where, orderBy: [{ repository: 'asc' }, { tag: 'asc' }] }),
      this.database.imageDigest.findMany({ where, orderBy: [{ repository: 'asc' }, { digest: 'asc' }] }),
    ]);
    return { tags, digests };
  }

  /** The image event as dockerd words it: labels of the image, and `name`. */
  async announce(imageId: string, action: string, name: string): Promise<void> {
    const image = await this.find(imageId);
    const labels = image ? (parseImageConfig(image.config).config?.Labels ?? {}) : {};
    this.publish(imageId, action, name, labels);
  }

  publish(imageId: string, action: string, name: string, labels: Record<string, string>): void {
    this.events.publish(engineEvent('image', action, imageId, { ...labels, name }));
  }
}

/** The name as one that an image can be given. @throws InvalidArgument for one that would not mean this very image */
export function taggable(name: NamedReference): { repository: string; tag: string } {
  const { repository, tag, digest } = withDefaultTag(name);
  if (digest !== undefined || tag === undefined) {
    throw invalidArgument('refusing to create a tag with a digest reference');
  }
  if (familiarRepository(repository) === 'sha256') {
    throw invalidArgument('refusing to create an ambiguous tag using digest algorithm as name');
  }
  return { repository, tag };
}
