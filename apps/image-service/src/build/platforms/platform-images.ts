import { Inject, Injectable } from '@nestjs/common';
import { internal } from '@gantry/shared/errors';
import { digestOf } from '../../blobs/blob-store';
import type { Image } from '../../database/image-database';
import { parseImageConfig, type Platform } from '../../images/image-config';
import { ImageStore } from '../../images/image-store';
import { LayerStore } from '../../layers/layer-store';
import { DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX } from '../../manifests/media-types';
import { ManifestStore } from '../../manifests/manifest-store';
import { LayerBlobs } from '../../push/layer-blobs';
import { buildManifest } from '../../push/push-manifest';
import type { FetchedManifest } from '../../registry/registry';

type Name = { repository: string; tag: string };

/** The images of one build for several platforms, and the index that holds them together. */
@Injectable()
export class PlatformImages {
  constructor(
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(LayerBlobs) private readonly blobs: LayerBlobs,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
  ) {}

  /**
   * Gives them their names: a tag is one image's here, `main`'s; the index is kept as what the repository knows it by, and the
   * others by their manifests, so that a push of the tag sends them all. Returns the index.
   */
  async name(ids: string[], main: string, names: Name[], signal: AbortSignal): Promise<FetchedManifest> {
    const manifests: { id: string; image: Image; manifest: FetchedManifest }[] = [];
    for (const id of new Set(ids)) {
      const image = await this.images.find(id);
      if (!image) throw internal(`the image ${id} was removed meanwhile`);
      manifests.push({ id, image, manifest: await this.manifestOf(image, signal) });
    }
    const index = indexOf(manifests.map(({ image, manifest }) => ({ config: image.config, manifest })));
    for (const { repository, tag } of names) {
      await this.images.tag(main, { repository, tag });
      for (const { id, manifest } of manifests) {
        await this.images.addDigest(id, repository, (id === main ? index : manifest).digest);
      }
    }
    for (const { id, manifest } of manifests) await this.manifests.put(manifest, id);
    if (names.length > 0) await this.manifests.put(index, null);
    return index;
  }

  private async manifestOf(image: Image, signal: AbortSignal): Promise<FetchedManifest> {
    const layers = (await this.layers.chain(image.topChainId)).reverse();
    const blobs = [];
    for (const layer of layers) blobs.push(await this.blobs.of(layer, '', signal));
    return buildManifest(image.config, blobs);
  }
}

/** Docker's, where all manifests are Docker's, as BuildKit makes it. */
function indexOf(images: { config: Uint8Array; manifest: FetchedManifest }[]): FetchedManifest {
  const isDocker = images.every(({ manifest }) => manifest.mediaType === DOCKER_MANIFEST);
  const mediaType = isDocker ? DOCKER_INDEX : OCI_INDEX;
  const manifests = images.map(({ config, manifest: { digest, bytes, mediaType: type } }) => ({
    mediaType: type,
    digest,
    size: bytes.length,
    platform: platformOf(config),
  }));
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }, null, 3));
  return { bytes, mediaType, digest: digestOf(bytes) };
}

function platformOf(config: Uint8Array): Partial<Platform> {
  const { os = '', architecture = '', variant } = parseImageConfig(config);
  return { architecture, os, ...(variant && { variant }) };
}
