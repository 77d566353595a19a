import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { isKind, notFound } from '@gantry/shared/errors';
import { type Image, ImageDatabase, Prisma } from '../database/image-database';
import type { ImageReferences } from './image-store';
import { type AnyReference, familiar, parseAny, withDefaultTag } from '../references/reference';

const ID_PREFIX = /^(?:sha256:)?([a-f0-9]{1,64})$/;

/** One way to find an image: a condition on the table `images` under the name `i`. */
export type ImageCondition = Prisma.Sql;

/** An image with its names, and what it is known by in registries. */
export interface WholeImage extends Image, ImageReferences {
  hasManifests: boolean;
  /** Topmost first. */
  layerIds: string[];
}

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

  /** The same with what else inspect shows of it, in the one query. */
  async findWhole(text: string): Promise<WholeImage> {
    for (const condition of this.conditions(text)) {
      const [image, another] = await this.database.$queryRaw<WholeImage[]>`
        SELECT i.node_id AS "nodeId", i.id, i.config, i.top_chain_id AS "topChainId", i.parent_id AS "parentId", i.size,
          i.created_at AS "createdAt", i.added_at AS "addedAt", i.last_tagged_at AS "lastTaggedAt",
          (SELECT coalesce(json_agg(json_build_object('repository', t.repository, 'tag', t.tag) ORDER BY t.repository, t.tag),
            '[]') FROM tags t WHERE t.node_id = i.node_id AND t.image_id = i.id) AS tags,
          (SELECT coalesce(json_agg(json_build_object('repository', d.repository, 'digest', d.digest)
            ORDER BY d.repository, d.digest), '[]')
            FROM image_digests d WHERE d.node_id = i.node_id AND d.image_id = i.id) AS digests,
          EXISTS (SELECT FROM manifests m WHERE m.node_id = i.node_id AND m.image_id = i.id) AS "hasManifests",
          ARRAY(WITH RECURSIVE chain AS (
            SELECT l.layer_id, l.parent_chain_id, 0 AS depth FROM layers l
              WHERE l.node_id = i.node_id AND l.chain_id = i.top_chain_id
            UNION ALL SELECT l.layer_id, l.parent_chain_id, c.depth + 1 FROM layers l JOIN chain c
              ON l.node_id = i.node_id AND l.chain_id = c.parent_chain_id
          ) SELECT layer_id FROM chain ORDER BY depth) AS "layerIds"
        FROM images i WHERE i.node_id = ${this.nodeId} AND ${condition} LIMIT 2`;
      if (image && !another) return image;
    }
    throw noSuchImage(text);
  }

  /** The id of each image, nothing for what is none: names with tags in one query. */
  async idsOf(texts: readonly string[]): Promise<(string | undefined)[]> {
    const wanted = texts.map((text) => tagOf(text));
    const tags = wanted.filter((tag) => tag !== undefined);
    const rows = await this.database.$queryRaw<{ repository: string; tag: string; id: string }[]>`
      SELECT repository, tag, image_id AS id FROM tags WHERE node_id = ${this.nodeId} AND (repository, tag) IN (
        SELECT * FROM unnest(${tags.map((each) => each.repository)}::text[], ${tags.map((each) => each.tag)}::text[]))`;
    return Promise.all(
      texts.map((text, index) => {
        const tag = wanted[index];
        const row = rows.find((each) => each.repository === tag?.repository && each.tag === tag.tag);
        return row?.id ?? (tag && !ID_PREFIX.test(text) ? undefined : this.idOf(text));
      }),
    );
  }

  /** The ids of all images that were made from one on this node, and its own. */
  async withDescendants(id: string): Promise<string[]> {
    const rows = await this.database.$queryRaw<{ id: string }[]>`
      WITH RECURSIVE family(id) AS (
        SELECT ${id}::text
        UNION SELECT i.id FROM images i JOIN family f ON i.parent_id = f.id WHERE i.node_id = ${this.nodeId}
      ) SELECT id FROM family`;
    return rows.map((row) => row.id);
  }

  private async idOf(text: string): Promise<string | undefined> {
    try {
      return (await this.find(text)).id;
    } catch (error) {
      if (isKind(error, 'NotFound') || isKind(error, 'InvalidArgument')) return undefined;
      throw error;
    }
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

/** Nothing where the text is no name, or one with a digest. */
function tagOf(text: string): { repository: string; tag: string } | undefined {
  try {
    const reference = parseAny(text);
    if (reference.kind === 'id' || reference.name.digest !== undefined) return undefined;
    const { repository, tag } = withDefaultTag(reference.name);
    return tag === undefined ? undefined : { repository, tag };
  } catch (error) {
    if (isKind(error, 'InvalidArgument')) return undefined;
    throw error;
  }
}

export function noSuchImage(text: string) {
  const reference: AnyReference = parseAny(text);
  const shown = reference.kind === 'id' ? reference.digest : familiar(withDefaultTag(reference.name));
  return notFound(`No such image: ${shown}`);
}
