import { Inject, Injectable } from '@nestjs/common';
import { dataLoss, invalidArgument, isKind } from '@gantry/shared/errors';
import { BlobStore } from '../blobs/blob-store';
import { BlobDownloads } from '../downloads/blob-downloads';
import { shortId } from '../images/image-references';
import { chainIdsOf } from '../layers/chain-id';
import { LayerChains, type WantedLayer } from '../layers/layer-chains';
import { checkDiffId, LayerStore, type StagedLayer, type StoredLayer } from '../layers/layer-store';
import type { Descriptor } from '../manifests/manifest';
import { ManifestStore } from '../manifests/manifest-store';
import { layerKindOf } from '../manifests/media-types';
import type { ProgressLines } from '../progress/progress-lines';
import type { Repository } from '../registry/registry';

/** A layer as the manifest has it, and what it has to be when it is decompressed. */
type DescribedLayer = Descriptor & { diffId: string };

/** Brings the layers of an image: each one is hashed, decompressed and unpacked while it downloads. */
@Injectable()
export class PullLayers {
  /** The blobs that this process is bringing: a second layer of the same bytes waits for the first. */
  private readonly running = new Map<string, Promise<unknown>>();

  constructor(
    @Inject(LayerChains) private readonly chains: LayerChains,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(BlobDownloads) private readonly downloads: BlobDownloads,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
  ) {}

  /** Lowest first, as `descriptors` and `diffIds` are. `below`: the layers that they lie on. */
  async pull(
    repository: Pick<Repository, 'blob'>,
    descriptors: Descriptor[],
    diffIds: string[],
    lines: ProgressLines,
    signal: AbortSignal,
    below: StoredLayer[] = [],
  ): Promise<StoredLayer[]> {
    for (const { mediaType } of descriptors) {
      // Addresses that a manifest gives are not asked, so a foreign layer has to be in the registry as any other.
      if (!layerKindOf(mediaType)) throw invalidArgument(`unsupported media type of a layer: ${mediaType}`);
    }
    for (const { digest } of descriptors) lines.status(shortId(digest), 'Pulling fs layer');
    const present = below.map(({ diffId }): WantedLayer => ({
      diffId,
      stage: () => Promise.reject(gone(diffId)),
    }));
    const all = [...present.map(({ diffId }) => diffId), ...diffIds];
    const chainIds = chainIdsOf(all).slice(below.length);
    const inImages = await this.layers.inImages(chainIds);
    const wanted = descriptors.map((descriptor, position): WantedLayer => {
      const diffId = diffIds[position] ?? '';
      const id = shortId(descriptor.digest);
      return {
        diffId,
        stage: (abort) => this.stage(repository, { ...descriptor, diffId }, lines, abort),
        // What builds alone have kept becomes part of an image only now.
        onExisting: async () =>
          lines.status(id, inImages.has(chainIds[position] ?? '') ? 'Already exists' : 'Pull complete'),
        onCommitted: async () => {
          const { digest, mediaType, size } = descriptor;
          await this.manifests.addLayerBlob({ digest, mediaType, diffId, size: BigInt(size) });
          lines.status(id, 'Pull complete');
        },
      };
    });
    const stored = await this.chains.build([...present, ...wanted], signal);
    return stored.slice(below.length);
  }

  private async stage(
    repository: Pick<Repository, 'blob'>,
    descriptor: DescribedLayer,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<StagedLayer> {
    const { digest } = descriptor;
    for (let other = this.running.get(digest); other; other = this.running.get(digest)) {
      await other.catch(() => {});
      signal.throwIfAborted();
    }
    const own = this.bring(repository, descriptor, lines, signal);
    this.running.set(digest, own);
    try {
      return await own;
    } finally {
      this.running.delete(digest);
    }
  }

  private async bring(
    repository: Pick<Repository, 'blob'>,
    descriptor: DescribedLayer,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<StagedLayer> {
    for (;;) {
      const staged =
        (await this.fromKeptBlob(descriptor, lines, signal)) ??
        (await this.fromRegistry(repository, descriptor, lines, signal));
      if (staged) return staged;
    }
  }

  /** undefined where there is none, or a broken one, which is gone then. */
  private async fromKeptBlob(
    { digest, size }: Descriptor,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<StagedLayer | undefined> {
    if (!this.blobs.claim(digest)) return undefined;
    const path = this.blobs.path(digest);
    const id = shortId(digest);
    lines.status(id, 'Download complete');
    const onConsumed = (bytes: number) => lines.count(id, 'Extracting', bytes, size);
    try {
      const source = { kind: 'file', path, offset: 0, size, digest } as const;
      return await this.layers.stage(source, { signal, onConsumed });
    } catch (error) {
      if (!isKind(error, 'InvalidArgument') || (await this.blobs.isIntact(digest))) throw error;
      this.blobs.drop(digest);
      return undefined;
    }
  }

  /** undefined when another process of this node has brought the blob. */
  private async fromRegistry(
    repository: Pick<Repository, 'blob'>,
    { digest, size, diffId }: DescribedLayer,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<StagedLayer | undefined> {
    const id = shortId(digest);
    let isHere = false;
    const observer = {
      onProgress: (present: number) => lines.count(id, 'Downloading', present, size),
      onRetry: (seconds: number) =>
        lines.status(id, `Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`),
      onArrived: () => {
        isHere = true;
        lines.status(id, 'Verifying Checksum');
        lines.status(id, 'Download complete');
      },
    };
    lines.status(id, 'Waiting');
    return this.downloads.fetch(repository, { digest, size }, observer, signal, async (blob, abort) => {
      const source = { kind: 'file', path: blob.path, offset: 0, size, digest } as const;
      const staged = await this.layers.stage(source, {
        signal: abort,
        growth: blob.growth,
        onConsumed: (bytes) => {
          if (isHere) lines.count(id, 'Extracting', bytes, size);
        },
      });
      try {
        // What the configuration does not mean is not kept.
        checkDiffId(staged.diffId, diffId);
        await this.blobs.adopt(blob.path, digest);
      } catch (error) {
        await this.layers.discard(staged);
        throw error;
      }
      return staged;
    });
  }
}

const gone = (diffId: string): Error => dataLoss(`the layer ${diffId} is gone`);
