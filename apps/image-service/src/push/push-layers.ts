import { setMaxListeners } from 'node:events';
import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { BlobStore } from '../blobs/blob-store';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import { ManifestStore } from '../manifests/manifest-store';
import type { ProgressLines } from '../progress/progress-lines';
import type { Repository } from '../registry/registry';
import { Slots } from '../slots';

/** A layer that the registry is to have. */
export interface PushedLayer {
  /** What the progress lines call it. */
  id: string;
  /** Called at most once: the blob may have to be made first. undefined: the layer is fetched from elsewhere, by its URLs. */
  blob(signal: AbortSignal): Promise<{ digest: string; size: bigint } | undefined>;
}

/** Where it does not help that another repository has a layer, more attempts will not either. */
const MOUNT_ATTEMPTS = 4;

/** Sends layers that a repository has not, several at a time. */
@Injectable()
export class PushLayers {
  private readonly uploads: Slots;

  constructor(
    @Inject(IMAGE_SETTINGS) settings: ImageSettings,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.uploads = new Slots(settings.maxUploads);
  }

  /**
   * In the order in which they are shown, the topmost first. `known`: digests that the repository is known to have; what it
   * gets is added. @throws the first error; the other uploads are ended
   */
  async push(
    repository: Repository,
    layers: PushedLayer[],
    known: Set<string>,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<void> {
    for (const layer of layers) lines.status(layer.id, 'Preparing');
    const failure = new AbortController();
    const both = AbortSignal.any([signal, failure.signal]);
    // Each layer listens, in several places.
    setMaxListeners(0, both);
    const once = new Map(layers.map((layer) => [layer.id, layer]));
    const running = [...once.values()].map(async (layer) => {
      try {
        await this.pushOne(repository, layer, known, lines, both);
      } catch (error) {
        failure.abort(error);
      }
    });
    await Promise.all(running);
    both.throwIfAborted();
  }

  /** The blob is in the repository afterwards; how is in the progress lines. */
  private async pushOne(
    repository: Repository,
    layer: PushedLayer,
    known: Set<string>,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<void> {
    const blob = await layer.blob(signal);
    if (!blob) {
      lines.status(layer.id, 'Skipped foreign layer');
      return;
    }
    const waiting = setImmediate(() => lines.status(layer.id, 'Waiting'));
    const outcome = await this.uploads
      .use(() => {
        clearImmediate(waiting);
        return this.bring(repository, { ...blob, id: layer.id }, known, lines, signal);
      }, signal)
      .finally(() => clearImmediate(waiting));
    lines.status(layer.id, outcome);
    known.add(blob.digest);
    await this.manifests.addSources([blob.digest], repository.name);
  }

  private async bring(
    repository: Repository,
    { id, digest, size }: { id: string; digest: string; size: bigint },
    known: ReadonlySet<string>,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<string> {
    if (known.has(digest) || (await repository.blobSize(digest, { signal })) !== undefined) {
      return 'Layer already exists';
    }
    const source = await this.mount(repository, digest, signal);
    if (source !== undefined) return `Mounted from ${pathOfRepository(source)}`;
    const total = Number(size);
    const onProgress = (sent: number) => lines.count(id, 'Pushing', sent, total);
    const open = (offset: number) => this.blobs.read(digest, offset);
    await repository.uploadBlob({ digest, size: total, open, onProgress }, { signal });
    return 'Pushed';
  }

  /** The repository of the same registry from which the blob was mounted. */
  async mount(repository: Repository, digest: string, signal: AbortSignal): Promise<string | undefined> {
    const host = hostOfRepository(repository.name);
    const sources = (await this.manifests.sourcesOf(digest)).filter(
      (source) => source !== repository.name && hostOfRepository(source) === host,
    );
    for (const source of sources.slice(0, MOUNT_ATTEMPTS)) {
      try {
        if (await repository.mountBlob(digest, source, { signal })) return source;
      } catch (error) {
        signal.throwIfAborted();
        // The user may push here and not read there.
        this.logger.debug({ err: error, digest, source }, 'layer not mounted');
      }
    }
    return undefined;
  }
}

const hostOfRepository = (name: string): string => name.slice(0, name.indexOf('/'));
const pathOfRepository = (name: string): string => name.slice(name.indexOf('/') + 1);
