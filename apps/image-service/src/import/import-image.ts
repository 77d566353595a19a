import { statSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { applyChanges } from '../changes/apply-changes';
import { type ImageConfig, parsePlatform, type Platform, type RuntimeConfig } from '../images/image-config';
import { ImageStore, taggable } from '../images/image-store';
import { LayerIntake } from '../layers/layer-intake';
import { LayerStore, type StoredLayer } from '../layers/layer-store';
import { type OnLine, ProgressLines } from '../progress/progress-lines';
import { parseRepositoryAndTag } from '../references/reference';
import { DownloadArchive } from './download-archive';

export interface ImportOptions {
  /** `-`: an upload; else where it is to be fetched from. */
  source: string;
  /** Empty: no name. */
  repository: string;
  tag: string;
  /** Empty: dockerd's own words. */
  message: string;
  changes: string[];
  platform: string;
  created: Date;
}

export interface ImportContext {
  onLine: OnLine;
  signal: AbortSignal;
}

/** `docker import`: a root file system becomes an image of one layer. */
@Injectable()
export class ImportImage {
  constructor(
    @Inject(DownloadArchive) private readonly downloads: DownloadArchive,
    @Inject(LayerIntake) private readonly intake: LayerIntake,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(ImageStore) private readonly images: ImageStore,
  ) {}

  /**
   * Returns the id. The same bytes with the same options, `created` among them, give the same image. `upload`: where the source
   * is one.
   */
  async import(
    upload: string | undefined,
    options: ImportOptions,
    { onLine, signal }: ImportContext,
  ): Promise<string> {
    // Refused before anything is fetched or unpacked.
    const name =
      options.repository === ''
        ? undefined
        : taggable(parseRepositoryAndTag(options.repository, options.tag));
    const platform = parsePlatform(options.platform);
    if (platform.os !== 'linux') throw invalidArgument('operating system is not supported');
    const config = applyChanges({}, options.changes);
    const source = upload === undefined ? urlOf(options.source) : undefined;
    const from = source ? sourceText(options.source) : '-';
    const comment = options.message || `Imported from ${from}`;
    const layer = await this.layer(upload, source, onLine, signal);
    const document = documentOf(config, platform, layer, comment, options.created);
    const id = await this.images.create(document, [layer]).catch(async (error: unknown) => {
      await this.layers.release(layer.chainId);
      throw error;
    });
    if (name) await this.images.tag(id, name);
    await this.images.announce(id, 'import', id);
    return id;
  }

  private async layer(
    upload: string | undefined,
    source: URL | undefined,
    onLine: OnLine,
    signal: AbortSignal,
  ): Promise<StoredLayer> {
    const take = async (path: string) => {
      const part = { path, offset: 0, size: statSync(path).size };
      return this.layers.commit(await this.intake.stage(part, undefined, { signal }), undefined);
    };
    if (!source) return take(upload ?? '');
    const lines = new ProgressLines(onLine);
    try {
      return await this.downloads.use(source, lines, signal, take);
    } finally {
      await lines.flush();
    }
  }
}

/** As dockerd: without a scheme it is HTTP. */
const sourceText = (source: string): string => (source.includes('://') ? source : `http://${source}`);

function urlOf(source: string): URL {
  let url: URL;
  try {
    url = new URL(sourceText(source));
  } catch (error) {
    throw invalidArgument(`parse ${JSON.stringify(source)}: invalid URL`, error);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalidArgument(
      `Get ${JSON.stringify(source)}: unsupported protocol scheme "${url.protocol.slice(0, -1)}"`,
    );
  }
  return url;
}

function documentOf(
  config: RuntimeConfig,
  platform: Platform,
  layer: StoredLayer,
  comment: string,
  createdAt: Date,
): Buffer {
  const created = createdAt.toISOString();
  const document: ImageConfig = {
    architecture: platform.architecture,
    ...(platform.variant && { variant: platform.variant }),
    os: platform.os,
    created,
    comment,
    config,
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    history: [{ created, comment }],
  };
  return Buffer.from(JSON.stringify(document));
}
