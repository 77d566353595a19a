import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { notFound } from '@gantry/shared/errors';
import { type Image, ImageDatabase, Prisma } from '../database/image-database';
import { type AnyReference, familiar, parseAny, withDefaultTag } from '../references/reference';

const ID_PREFIX = /^(?:sha256:)?([a-f0-9]{1,64})$/;

/** One way to find an image: a condition on the table `images` under the name `i`. */
export type ImageCondition = Prisma.Sql;

/** Which image is meant by what a user types: a name, a digest, an id or the beginning of one. */
@Injectable()
export class ImageLookup {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
  ) {
    this.nodeId = config.nodeId;
  }

  /** @throws NotFound `No such image: x:latest`, InvalidArgument for what can be no image. */
  async find(text: string): Promise<Image> {
    const conditions = this.conditions(text);
    for (const condition of conditions) {
      const [image, another] = await this.database.$queryRaw<Image[]>`
        SELECT i.node_id AS "nodeId", i.id, i.config, i.top_chain_id AS "topChainId", i.parent_id AS "parentId", i.size,
          i.created_at AS "createdAt", i.added_at AS "addedAt", i.last_tagged_at AS "lastTaggedAt"
        FROM images i WHERE i.node_id = ${this.nodeId} AND ${condition} LIMIT 2`;
      // Two mean that the beginning of an id is not enough.
      if (image && !another) return image;
    }
    throw noSuchImage(text);
  }

  /** In the order in which dockerd tries: name, then id. At most one image fulfils each but an ambiguous prefix. */
  conditions(text: string): ImageCondition[] {
    const reference = parseAny(text);
    if (reference.kind === 'id') return [Prisma.sql`i.id = ${reference.digest}`];
    const { repository, tag, digest } = withDefaultTag(reference.name);
    const byName =
      digest !== undefined
        ? Prisma.sql`i.id = (SELECT d.image_id FROM image_digests d
            WHERE d.node_id = i.node_id AND d.repository = ${repository} AND d.digest = ${digest})`
        : Prisma.sql`i.id = (SELECT t.image_id FROM tags t
            WHERE t.node_id = i.node_id AND t.repository = ${repository} AND t.tag = ${tag})`;
    const prefix = ID_PREFIX.exec(text)?.[1];
    return prefix === undefined ? [byName] : [byName, Prisma.sql`i.id LIKE ${`sha256:${prefix}%`}`];
  }
}

export function noSuchImage(text: string) {
  const reference: AnyReference = parseAny(text);
  const shown = reference.kind === 'id' ? reference.digest : familiar(withDefaultTag(reference.name));
  return notFound(`No such image: ${shown}`);
}
