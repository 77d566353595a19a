import { Inject, Injectable } from '@nestjs/common';
import { conflict, invalidArgument } from '@gantry/shared/errors';
import { faultPoint } from '@gantry/shared/faults';
import { BlobStore } from '../blobs/blob-store';
import { ImageDatabase, type Image, isForeignKeyViolation } from '../database/image-database';
import { LayerStore } from '../layers/layer-store';
import { familiar, type NamedReference, parseNamed, withDefaultTag } from '../references/reference';
import { SnapshotDirectories } from '../snapshots/snapshot-directories';
import { ManifestCollection } from '../manifests/manifest-collection';
import { checkPlatform, parseImageConfig, type Platform } from './image-config';
import { ImageLookup } from './image-lookup';
import { shortId } from './image-references';
import { type ImageReferences, ImageStore } from './image-store';

/** API: ImageDeleteResponseItem. */
export type DeletedItem = { Untagged: string } | { Deleted: string };

export interface Removal {
  items: DeletedItem[];
  /** Bytes of the layers that went, unpacked and as registries have them. */
  reclaimed: bigint;
}

export interface RemovalOptions {
  force: boolean;
  /** With the ancestors that nothing needs any more. */
  prune: boolean;
  /** The image has to be for each of these; none: whatever it is for. */
  platforms?: Platform[];
}

/** A removal that goes on, with what is to be collected after it. */
interface RunningRemoval extends Removal {
  imageIds: string[];
  diffIds: string[];
}

/** Why an image stays. A hard reason holds against force too. */
interface Obstacle {
  hard: boolean;
  usedByContainer: boolean;
  hasChildren: boolean;
  reason: string;
}

const FREE = { usedByContainer: false, hasChildren: false };

/** Untagging and deleting, with the distinctions that dockerd makes (moby, daemon/images/image_delete.go). */
@Injectable()
export class ImageRemoval {
  constructor(
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(SnapshotDirectories) private readonly snapshots: SnapshotDirectories,
    @Inject(ManifestCollection) private readonly collection: ManifestCollection,
  ) {}

  /**
   * `text` as the user gave it: a name is untagged, and the image goes with its last name; an id means the image itself.
   * @throws Conflict and NotFound as dockerd words them
   */
  async remove(text: string, options: RemovalOptions): Promise<Removal> {
    if (text.trim() === '') throw invalidArgument('image name cannot be blank');
    const image = await this.lookup.find(text);
    for (const platform of options.platforms ?? []) {
      checkPlatform(parseImageConfig(image.config), platform, text);
    }
    const removal: RunningRemoval = { items: [], reclaimed: 0n, imageIds: [], diffIds: [] };
    const began = new Date();
    try {
      await this.removeFound(image, text, options, removal);
    } finally {
      if (removal.imageIds.length > 0) {
        removal.reclaimed += await this.collection.collectRemoved(removal, began);
      }
    }
    return { items: removal.items, reclaimed: removal.reclaimed };
  }

  private async removeFound(
    image: Image,
    text: string,
    options: RemovalOptions,
    removal: RunningRemoval,
  ): Promise<void> {
    const references = await this.images.references(image.id);
    if (!isIdPrefix(image.id, text)) {
      if (!options.force && isSingleReference(references)) await this.refuseWhileUsed(image, text);
      if (await this.untagName(image, parseNamed(text), removal)) return;
      await this.delete(image, { ...options, quiet: true }, removal);
      return;
    }
    if (isSingleReference(references)) {
      const obstacle = await this.obstacle(image, { stopped: !options.force, references: false });
      if (obstacle) throw refusal(image, obstacle);
      await this.untagAll(image, references, removal);
    }
    await this.delete(image, { ...options, quiet: false }, removal);
  }

  private async refuseWhileUsed(image: Image, text: string): Promise<void> {
    const [user] = await this.usersOf(image.id);
    if (!user) return;
    throw conflict(
      `conflict: unable to remove repository reference ${JSON.stringify(text)} (must force) - ` +
        `container ${shortId(user)} is using its referenced image ${shortId(image.id)}`,
    );
  }

  /** Removes one name, and the digests of its repository with the last tag. True when the image has others left. */
  private async untagName(image: Image, name: NamedReference, removal: Removal): Promise<boolean> {
    const exact = withDefaultTag(name);
    await this.untag(image, exact, removal);
    let left = await this.images.references(image.id);
    const { repository } = exact;
    if (exact.digest === undefined && !left.tags.some((tag) => tag.repository === repository)) {
      for (const digest of left.digests.filter((d) => d.repository === repository)) {
        await this.untag(image, digest, removal, false);
      }
      left = await this.images.references(image.id);
    }
    return left.tags.length + left.digests.length > 0;
  }

  private async untagAll(image: Image, references: ImageReferences, removal: Removal): Promise<void> {
    const names: NamedReference[] = [...references.tags, ...references.digests];
    names.sort((a, b) => (familiar(a) < familiar(b) ? -1 : 1));
    for (const name of names) await this.untag(image, name, removal);
  }

  private async untag(image: Image, name: NamedReference, removal: Removal, announce = true): Promise<void> {
    const { nodeId } = this.images;
    const { repository, tag, digest } = name;
    const { count } = digest
      ? await this.database.imageDigest.deleteMany({
          where: { nodeId, repository, digest, imageId: image.id },
        })
      : await this.database.tag.deleteMany({ where: { nodeId, repository, tag, imageId: image.id } });
    if (count === 0) return;
    this.images.noteChange();
    if (announce) this.publish(image, 'untag');
    removal.items.push({ Untagged: familiar({ repository, tag, digest }) });
  }

  /** Deletes the image, its layers, and with `prune` the ancestors that nothing needs any more. */
  private async delete(
    image: Image,
    options: { force: boolean; prune: boolean; quiet: boolean },
    removal: RunningRemoval,
  ): Promise<void> {
    const soft = !options.force;
    const obstacle = await this.obstacle(image, { stopped: soft, references: soft });
    if (obstacle) {
      const isTold = (await this.isDangling(image)) && !obstacle.hasChildren;
      if (options.quiet && (obstacle.usedByContainer || !isTold)) return;
      throw refusal(image, obstacle);
    }
    await this.untagAll(image, await this.images.references(image.id), removal);
    const began = new Date();
    if (!(await this.deleteRow(image))) return;
    this.images.noteChange();
    faultPoint('image-row-deleted');
    this.blobs.dismiss(image.id, began);
    this.publish(image, 'delete');
    removal.items.push({ Deleted: image.id });
    removal.imageIds.push(image.id);
    for (const layer of await this.layers.release(image.topChainId)) {
      removal.items.push({ Deleted: layer.chainId });
      removal.diffIds.push(layer.diffId);
      removal.reclaimed += layer.size;
    }
    const parent = options.prune && image.parentId ? await this.images.find(image.parentId) : null;
    if (parent) await this.delete(parent, { force: false, prune: true, quiet: true }, removal);
  }

  private async deleteRow(image: Image): Promise<boolean> {
    try {
      const { count } = await this.database.image.deleteMany({
        where: { nodeId: image.nodeId, id: image.id },
      });
      return count === 1;
    } catch (error) {
      if (!isForeignKeyViolation(error)) throw error;
      throw refusal(image, { ...FREE, hard: false, reason: 'image was tagged meanwhile' });
    }
  }

  private async obstacle(
    image: Image,
    asked: { stopped: boolean; references: boolean },
  ): Promise<Obstacle | undefined> {
    const children = await this.database.image.count({ where: { nodeId: image.nodeId, parentId: image.id } });
    if (children > 0)
      return { ...FREE, hard: true, hasChildren: true, reason: 'image has dependent child images' };
    const users = await this.usersOf(image.id);
    const running = users.find((id) => this.snapshots.isMounted(id));
    if (running) {
      const reason = `image is being used by running container ${shortId(running)}`;
      return { ...FREE, hard: true, usedByContainer: true, reason };
    }
    if (asked.references && !(await this.isDangling(image))) {
      return { ...FREE, hard: false, reason: 'image is referenced in multiple repositories' };
    }
    if (asked.stopped && users[0]) {
      const reason = `image is being used by stopped container ${shortId(users[0])}`;
      return { ...FREE, hard: false, usedByContainer: true, reason };
    }
    return undefined;
  }

  private async isDangling(image: Image): Promise<boolean> {
    const { tags, digests } = await this.images.references(image.id);
    return tags.length + digests.length === 0;
  }

  private async usersOf(imageId: string): Promise<string[]> {
    const rows = await this.database.snapshot.findMany({
      where: { nodeId: this.images.nodeId, imageId },
      select: { containerId: true },
      orderBy: { createdAt: 'asc' },
    });
    return rows.map((row) => row.containerId);
  }

  private publish(image: Image, action: string): void {
    this.images.publish(image.id, action, image.id, parseImageConfig(image.config).config?.Labels ?? {});
  }
}

function refusal(image: Image, { hard, reason }: Obstacle) {
  const force = hard ? 'cannot be forced' : 'must be forced';
  return conflict(`conflict: unable to delete ${shortId(image.id)} (${force}) - ${reason}`);
}

function isIdPrefix(imageId: string, text: string): boolean {
  return imageId.startsWith(text) || imageId.slice('sha256:'.length).startsWith(text);
}

/** At most one tag, and digests of its repository only. */
function isSingleReference({ tags, digests }: ImageReferences): boolean {
  if (tags.length + digests.length <= 1) return true;
  if (tags.length > 1) return false;
  const repositories = new Set(digests.map((digest) => digest.repository));
  const [single] = [...tags, ...digests];
  return repositories.size === 1 && single !== undefined && repositories.has(single.repository);
}
