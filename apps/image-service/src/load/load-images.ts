import { rmSync, statSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { BlobStore } from '../blobs/blob-store';
import { parsePlatform } from '../images/image-config';
import { shortId } from '../images/image-references';
import { ImageStore } from '../images/image-store';
import { chainIdsOf } from '../layers/chain-id';
import { LayerStore, type StoredLayer } from '../layers/layer-store';
import { familiar, parseNamed, withDefaultTag } from '../references/reference';
import { ArchiveIndex } from '../tar/archive-index';
import { type ArchivedImage, imagesOfArchive } from './archive-manifest';
import { compressionOf, Decompressor } from '../layers/compression';
import { LayerIntake } from '../layers/layer-intake';

/** Takes one line of the API's progress stream. */
export type OnLine = (line: unknown) => Promise<void>;

/** `docker load`: the images of an uploaded archive. Done twice it does nothing the second time. */
@Injectable()
export class LoadImages {
  constructor(
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(LayerIntake) private readonly intake: LayerIntake,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(Decompressor) private readonly decompressor: Decompressor,
  ) {}

  /** @throws InvalidArgument for an archive that is none; no name has moved then. */
  async load(upload: string, options: { quiet: boolean; platform: string }, onLine: OnLine): Promise<void> {
    const whole = { path: upload, offset: 0, size: statSync(upload).size };
    const compression = compressionOf(whole);
    if (compression === 'none') return this.loadArchive(upload, options, onLine);
    const plain = this.blobs.temporaryPath();
    try {
      await this.decompressor.decompress(whole, compression, plain);
      await this.loadArchive(plain, options, onLine);
    } finally {
      rmSync(plain, { force: true });
    }
  }

  private async loadArchive(
    path: string,
    options: { quiet: boolean; platform: string },
    onLine: OnLine,
  ): Promise<void> {
    const archive = new ArchiveIndex(path);
    const platform = options.platform === '' ? undefined : parsePlatform(options.platform);
    const images = imagesOfArchive(archive, platform);
    if (images.length === 0) {
      throw invalidArgument(`requested platform (${options.platform}) not found in the archive`);
    }
    const quiet: OnLine = async () => {};
    for (const image of images) {
      // Refused before anything is unpacked.
      const names = image.names.map((name) => withDefaultTag(parseNamed(name)));
      const layers = await this.loadLayers(path, archive, image, options.quiet ? quiet : onLine);
      const id = await this.images.create(image.config, layers);
      await this.images.announce(id, 'load', id);
      for (const name of names) {
        const before = await this.images.tag(id, name);
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

  private async loadLayers(
    path: string,
    archive: ArchiveIndex,
    image: ArchivedImage,
    onLine: OnLine,
  ): Promise<StoredLayer[]> {
    const loaded: StoredLayer[] = [];
    const chainIds = chainIdsOf(image.diffIds);
    for (const [position, { member: name, digest }] of image.layers.entries()) {
      const diffId = image.diffIds[position] ?? '';
      const existing = await this.layers.find(chainIds[position] ?? '');
      if (existing) {
        loaded.push(existing);
        continue;
      }
      const member = archive.find(name);
      if (!member) throw invalidArgument(`invalid archive: no layer ${name} in it`);
      const id = shortId(diffId);
      await onLine(progressLine(id, 0, member.size));
      loaded.push(await this.intake.take({ path, ...member }, loaded.at(-1), { diffId, digest }));
      await onLine(progressLine(id, member.size, member.size));
    }
    return loaded;
  }
}

/** API: progress line, with the bar that the CLI falls back on. */
function progressLine(id: string, current: number, total: number): unknown {
  return { status: 'Loading layer', progressDetail: { current, total }, id };
}
