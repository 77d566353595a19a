import { Inject, Injectable } from '@nestjs/common';
import { dataLoss, internal } from '@gantry/shared/errors';
import type { Image, Manifest } from '../database/image-database';
import { parseImageConfig } from '../images/image-config';
import { shortId } from '../images/image-references';
import { ImageStore } from '../images/image-store';
import { LayerStore } from '../layers/layer-store';
import { type Descriptor, parseManifest } from '../manifests/manifest';
import { isManifestType, layerKindOf } from '../manifests/media-types';
import { ManifestStore, type StoredLayerBlob } from '../manifests/manifest-store';
import type { FetchedManifest, Repository } from '../registry/registry';
import { hostOf, LayerBlobs } from './layer-blobs';
import { type PushedLayer, PushLayers } from './push-layers';
import { buildManifest } from './push-manifest';

/** What is sent of an image. */
export interface PushContent {
  config: Uint8Array;
  /** The topmost first, as they are shown. */
  layers: PushedLayer[];
  /** To be asked for when the layers are sent. */
  manifest(): Promise<FetchedManifest>;
}

/** Decides which bytes an image is sent as: as those that it was pulled as, wherever they are kept. */
@Injectable()
export class PushContents {
  constructor(
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(LayerBlobs) private readonly blobs: LayerBlobs,
    @Inject(PushLayers) private readonly mounting: PushLayers,
  ) {}

  /** What is known of the repository decides between several forms of one image. */
  async of(image: Image, repository: Repository, signal: AbortSignal): Promise<PushContent> {
    const kept = await this.manifests.ofImage(image.id);
    return (await this.asPulled(image, kept, repository, signal)) ?? this.asBuilt(image, repository.name);
  }

  /** With this manifest. @throws DataLoss where a layer of it is not kept */
  async exactly(
    image: Image,
    manifest: string,
    repository: Repository,
    signal: AbortSignal,
  ): Promise<PushContent> {
    const kept = (await this.manifests.ofImage(image.id)).filter(({ digest }) => digest === manifest);
    const content = await this.asPulled(image, kept, repository, signal);
    if (!content) throw dataLoss(`a layer of the manifest ${manifest} is not kept`);
    return content;
  }

  /** With a manifest that is kept, where all its layers are kept too, or are in the registry by now. */
  private async asPulled(
    image: Image,
    kept: Manifest[],
    repository: Repository,
    signal: AbortSignal,
  ): Promise<PushContent | undefined> {
    const { digests } = await this.images.references(image.id);
    const isKnownThere = ({ digest }: Manifest): boolean =>
      digests.some((known) => known.digest === digest && known.repository === repository.name);
    const diffIds = parseImageConfig(image.config).rootfs.diff_ids;
    for (const manifest of [...kept.filter(isKnownThere), ...kept.filter((one) => !isKnownThere(one))]) {
      const sent = await this.layersOf(manifest, image, diffIds, (descriptor) =>
        this.isThere(descriptor, repository, signal),
      );
      if (!sent) continue;
      const { digest, mediaType, document } = manifest;
      const fetched = { bytes: Buffer.from(document), mediaType, digest };
      return { config: image.config, layers: sent.reverse(), manifest: async () => fetched };
    }
    return undefined;
  }

  /** The layers that a manifest names, lowest first; undefined where it is of something else or a layer is not kept. */
  private async layersOf(
    manifest: Manifest,
    image: Image,
    diffIds: string[],
    isThere: (descriptor: Descriptor) => Promise<boolean>,
  ): Promise<PushedLayer[] | undefined> {
    if (!isManifestType(manifest.mediaType)) return undefined;
    const parsed = parseManifest(manifest.document, manifest.mediaType);
    if (parsed.kind !== 'manifest' || parsed.config.digest !== image.id) return undefined;
    if (parsed.layers.length !== diffIds.length) return undefined;
    const layers: PushedLayer[] = [];
    for (const [position, descriptor] of parsed.layers.entries()) {
      const diffId = diffIds[position] ?? '';
      const kept = await this.keptBlob(descriptor, diffId);
      const isSent = kept !== undefined || (!isElsewhere(descriptor) && (await isThere(descriptor)));
      if (!isSent && !isElsewhere(descriptor)) return undefined;
      const blob = isSent ? { digest: descriptor.digest, size: BigInt(descriptor.size) } : undefined;
      layers.push({ id: shortId(diffId), blob: async () => blob });
    }
    return layers;
  }

  /** A layer whose blob was never fetched, since it was here already, or has been swept: its registry may still have it. */
  private async isThere(
    { digest }: Descriptor,
    repository: Repository,
    signal: AbortSignal,
  ): Promise<boolean> {
    const host = hostOf(repository.name);
    const sources = (await this.manifests.sourcesOf(digest)).filter((source) => source.startsWith(host));
    if (sources.length === 0) return false;
    if ((await repository.blobSize(digest, { signal })) !== undefined) return true;
    return this.mounting.mount(repository, digest, signal).then((source) => source !== undefined);
  }

  private async keptBlob({ digest }: Descriptor, diffId: string): Promise<StoredLayerBlob | undefined> {
    const blob = await this.manifests.layerBlob(digest);
    return blob?.diffId === diffId && this.blobs.isWhole(blob) ? blob : undefined;
  }

  /** With a manifest of our own: each layer as the blob that is kept, or else made. */
  private async asBuilt(image: Image, repository: string): Promise<PushContent> {
    const chain = await this.layers.chain(image.topChainId);
    const diffIds = parseImageConfig(image.config).rootfs.diff_ids;
    if (chain.length !== diffIds.length) throw dataLoss(`layers of image ${image.id} are missing`);
    const sent = new Map<string, Promise<StoredLayerBlob>>();
    const layers = chain.map((layer) => ({
      id: shortId(layer.diffId),
      blob: (signal: AbortSignal) => {
        const blob = this.blobs.of(layer, repository, signal);
        sent.set(layer.diffId, blob);
        return blob;
      },
    }));
    const manifest = async () => {
      const blobs = await Promise.all(diffIds.map((diffId) => sent.get(diffId)));
      if (blobs.includes(undefined)) throw internal('a manifest is asked for before its layers are sent');
      return buildManifest(image.config, blobs as StoredLayerBlob[]);
    };
    return { config: image.config, layers, manifest };
  }
}

/** A foreign layer: whoever pulls gets it from its URLs. */
const isElsewhere = ({ mediaType, urls }: Descriptor): boolean =>
  layerKindOf(mediaType) === 'foreign' && (urls?.length ?? 0) > 0;
