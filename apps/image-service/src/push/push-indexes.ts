import { Inject, Injectable } from '@nestjs/common';
import type { Image, Manifest } from '../database/image-database';
import { ImageStore } from '../images/image-store';
import { ManifestStore } from '../manifests/manifest-store';
import { parseManifest } from '../manifests/manifest';
import { isIndexType } from '../manifests/media-types';

/** An index all of whose images are here. */
export interface WholeIndex {
  index: Manifest;
  /** In the order of the index. */
  images: { image: Image; manifest: string }[];
}

/** Finds the images of other platforms that a repository knows an image together with. */
@Injectable()
export class PushIndexes {
  constructor(
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
  ) {}

  /** The newest index of the image in this repository that is whole; undefined: there is none. */
  async of(image: Image, repository: string): Promise<WholeIndex | undefined> {
    const { digests } = await this.images.references(image.id);
    const kept: Manifest[] = [];
    for (const { digest } of digests.filter((one) => one.repository === repository)) {
      const manifest = await this.manifests.find(digest);
      if (manifest && isIndexType(manifest.mediaType)) kept.push(manifest);
    }
    kept.sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
    for (const index of kept) {
      const images = await this.imagesOf(index);
      if (images) return { index, images };
    }
    return undefined;
  }

  private async imagesOf(index: Manifest): Promise<WholeIndex['images'] | undefined> {
    const parsed = parseManifest(index.document, index.mediaType);
    if (parsed.kind !== 'index') return undefined;
    const images: WholeIndex['images'] = [];
    for (const { digest } of parsed.manifests) {
      const manifest = await this.manifests.find(digest);
      const image = manifest?.imageId ? await this.images.find(manifest.imageId) : undefined;
      if (!image) return undefined;
      images.push({ image, manifest: digest });
    }
    return images.length > 1 ? images : undefined;
  }
}
