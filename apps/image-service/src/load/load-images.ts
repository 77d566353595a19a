import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import type { Platform } from '../images/image-config';
import { shortId } from '../images/image-references';
import { ImageStore, taggable } from '../images/image-store';
import { chainIdsOf } from '../layers/chain-id';
import { LayerChains, type WantedLayer } from '../layers/layer-chains';
import { LayerIntake } from '../layers/layer-intake';
import { LayerStore, type StoredLayer } from '../layers/layer-store';
import { type OnLine, ProgressLines } from '../progress/progress-lines';
import { familiar } from '../references/reference';
import { ArchiveIndex } from '../tar/archive-index';
import { imagesOfArchive, type WantedImage } from './archive-images';
import type { ArchivedImage } from './archived-image';
import { PlainArchive } from './plain-archive';

export interface LoadOptions {
  /** No progress of layers. */
  quiet: boolean;
  /** None: the host's, or the only one. */
  platforms: Platform[];
}

/** An archive on disk, and how far the loading is to be told. */
interface Loading {
  path: string;
  archive: ArchiveIndex;
  lines: ProgressLines | undefined;
  signal: AbortSignal;
  /** Chain ids of the layers that were not here before. */
  brought: string[];
}

/** `docker load`: the images of an uploaded archive. Done twice it does nothing the second time. */
@Injectable()
export class LoadImages {
  constructor(
    @Inject(PlainArchive) private readonly plain: PlainArchive,
    @Inject(LayerChains) private readonly chains: LayerChains,
    @Inject(LayerIntake) private readonly intake: LayerIntake,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(ImageStore) private readonly images: ImageStore,
  ) {}

  /** @throws InvalidArgument for an archive that is none; no name has moved then, and no layer is left behind. */
  async load(upload: string, options: LoadOptions, onLine: OnLine, signal: AbortSignal): Promise<void> {
    await this.plain.use(upload, signal, (path) => this.loadArchive(path, options, onLine, signal));
  }

  /** First the layers of all images, then the images, then the names: what fails, fails before anything has changed. */
  private async loadArchive(
    path: string,
    { quiet, platforms }: LoadOptions,
    onLine: OnLine,
    signal: AbortSignal,
  ): Promise<void> {
    const archive = new ArchiveIndex(path);
    const wanted = imagesOfArchive(archive, platforms);
    for (const { names } of wanted) names.forEach(taggable);
    const lines = quiet ? undefined : new ProgressLines(onLine);
    const loading: Loading = { path, archive, lines, signal, brought: [] };
    try {
      const chains: StoredLayer[][] = [];
      for (const { image } of wanted) chains.push(await this.bring(image, loading));
      signal.throwIfAborted();
      for (const [position, { image }] of wanted.entries()) {
        const id = await this.images.create(image.bytes, chains[position] ?? []);
        await this.images.announce(id, 'load', id);
      }
    } catch (error) {
      for (const chainId of loading.brought.reverse()) await this.layers.release(chainId);
      throw error;
    } finally {
      await lines?.flush();
    }
    for (const one of wanted) await this.name(one, onLine);
  }

  private async bring(image: ArchivedImage, loading: Loading): Promise<StoredLayer[]> {
    const diffIds = image.config.rootfs.diff_ids;
    const chainIds = chainIdsOf(diffIds);
    const wanted = image.layers.map(({ member, digest }, position): WantedLayer => {
      const diffId = diffIds[position] ?? '';
      return {
        diffId,
        stage: async (signal) => {
          const part = loading.archive.find(member);
          if (!part) throw invalidArgument(`invalid archive: no layer ${member} in it`);
          const id = shortId(diffId);
          const onConsumed = (bytes: number) => loading.lines?.count(id, 'Loading layer', bytes, part.size);
          onConsumed(0);
          const staged = await this.intake.stage({ path: loading.path, ...part }, digest, {
            signal,
            onConsumed,
          });
          onConsumed(part.size);
          return staged;
        },
        onCommitted: async () => {
          loading.brought.push(chainIds[position] ?? '');
        },
      };
    });
    return this.chains.build(wanted, loading.signal);
  }

  private async name({ image: { id }, names }: WantedImage, onLine: OnLine): Promise<void> {
    for (const name of names) {
      const before = await this.images.name(id, name);
      const shown = familiar(name);
      if (before) {
        const text = `The image ${shown} already exists, renaming the old one with ID ${before} to empty string\n`;
        await onLine({ stream: text });
      }
      await onLine({ stream: `Loaded image: ${shown}\n` });
    }
    if (names.length === 0) await onLine({ stream: `Loaded image ID: ${id}\n` });
  }
}
