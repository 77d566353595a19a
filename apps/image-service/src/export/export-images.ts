import { Inject, Injectable } from '@nestjs/common';
import { notFound } from '@gantry/shared/errors';
import { digestOf } from '../blobs/blob-store';
import { type Image, ImageDatabase } from '../database/image-database';
import { checkPlatform, type ImageConfig, parseImageConfig, type Platform } from '../images/image-config';
import { ImageLookup } from '../images/image-lookup';
import { ImageStore } from '../images/image-store';
import { LayerArchive } from '../layers/layer-archive';
import { LayerStore, type StoredLayer } from '../layers/layer-store';
import { familiar, familiarRepository, parseAny } from '../references/reference';
import { END_OF_ARCHIVE, encodeHeader, newEntry, tarPadding } from '@gantry/shared/tar';

interface Tagged {
  repository: string;
  tag: string;
}

/** One image of the archive and the names it was asked for by. */
export interface ExportedImage {
  image: Image;
  config: ImageConfig;
  /** Lowest first. */
  layers: StoredLayer[];
  tags: Tagged[];
}

const MEDIA_TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/**
 * `docker save`: a tar that is a docker-archive (manifest.json) and an OCI layout (index.json) at once, as Docker writes it
 * since version 25. The same images give the same bytes.
 */
@Injectable()
export class ExportImages {
  constructor(
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(LayerArchive) private readonly archive: LayerArchive,
  ) {}

  /** All that is asked for, in that order, each image once. @throws NotFound, also for a platform, before anything is written. */
  async resolve(names: string[], platforms: Platform[] = []): Promise<ExportedImage[]> {
    const found = new Map<string, ExportedImage>();
    for (const name of names) {
      for (const { image, tag } of await this.imagesOf(name)) {
        const exported = found.get(image.id) ?? (await this.describe(image));
        // An image is one platform's here.
        for (const platform of platforms) checkPlatform(exported.config, platform, name);
        const isNew = tag && !exported.tags.some((t) => t.repository === tag.repository && t.tag === tag.tag);
        if (isNew) exported.tags.push(tag);
        found.set(image.id, exported);
      }
    }
    return [...found.values()];
  }

  /**
   * `isDockerToo`: with the documents of a docker-archive. `isOne`: they are one image for several platforms, which an index
   * holds together.
   */
  async *write(
    images: ExportedImage[],
    { isDockerToo, isOne } = { isDockerToo: true, isOne: false },
  ): AsyncGenerator<Buffer> {
    const documents = new Map<string, Buffer>();
    const layers = new Map<string, StoredLayer>();
    let index: object[] = [];
    for (const exported of images) {
      documents.set(exported.image.id, Buffer.from(exported.image.config));
      for (const layer of exported.layers) layers.set(layer.diffId, layer);
      const manifest = Buffer.from(JSON.stringify(manifestOf(exported)));
      const digest = digestOf(manifest);
      documents.set(digest, manifest);
      const { architecture = '', os = '', variant } = exported.config;
      const descriptor = { mediaType: MEDIA_TYPES.manifest, digest, size: manifest.length };
      const platform = { architecture, os, ...(variant && { variant }) };
      index.push(...indexEntries(isOne ? [] : exported.tags, { ...descriptor, platform }));
    }
    if (isOne) {
      const whole = json({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: index });
      const digest = digestOf(whole);
      documents.set(digest, whole);
      index = indexEntries(images[0]?.tags ?? [], {
        mediaType: MEDIA_TYPES.index,
        digest,
        size: whole.length,
      });
    }
    yield encodeHeader(newEntry('blobs/', 'directory', 0, 0o755));
    yield encodeHeader(newEntry('blobs/sha256/', 'directory', 0, 0o755));
    for (const digest of [...documents.keys(), ...layers.keys()].sort()) {
      const document = documents.get(digest);
      const layer = layers.get(digest);
      if (document) yield* file(blobPath(digest), document);
      else if (layer) yield* this.layer(layer);
    }
    yield* file('index.json', json({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: index }));
    if (isDockerToo) yield* file('manifest.json', json(images.map(dockerManifest)));
    yield* file('oci-layout', json({ imageLayoutVersion: '1.0.0' }));
    const repositories = isDockerToo ? repositoriesOf(images) : {};
    if (Object.keys(repositories).length > 0) yield* file('repositories', json(repositories));
    yield END_OF_ARCHIVE;
  }

  /** To be called once the archive is out. */
  announce(images: ExportedImage[]): void {
    for (const { image, config } of images) {
      this.images.publish(image.id, 'save', image.id, config.config?.Labels ?? {});
    }
  }

  private async *layer(layer: StoredLayer): AsyncGenerator<Buffer> {
    const size = Number(layer.archiveSize);
    yield encodeHeader(newEntry(blobPath(layer.diffId), 'file', size, 0o644));
    yield* this.archive.read(layer);
    yield tarPadding(size);
  }

  /** A name without tag or digest stands for all tags of its repository. */
  private async imagesOf(name: string): Promise<{ image: Image; tag?: Tagged }[]> {
    const reference = parseAny(name);
    if (reference.kind === 'named' && !reference.name.tag && !reference.name.digest) {
      const { repository } = reference.name;
      const tags = await this.database.tag.findMany({
        where: { nodeId: this.images.nodeId, repository },
        include: { image: true },
        orderBy: { tag: 'asc' },
      });
      if (tags.length > 0) return tags.map(({ image, tag }) => ({ image, tag: { repository, tag } }));
    }
    const image = await this.lookup.find(name);
    if (reference.kind === 'id' || !reference.name.tag) return [{ image }];
    return [{ image, tag: { repository: reference.name.repository, tag: reference.name.tag } }];
  }

  private async describe(image: Image): Promise<ExportedImage> {
    const layers = (await this.layers.chain(image.topChainId)).reverse();
    const config = parseImageConfig(image.config);
    if (layers.length !== config.rootfs.diff_ids.length) throw notFound(`a layer of ${image.id} is missing`);
    return { image, config, layers, tags: [] };
  }
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const blobPath = (digest: string): string => `blobs/${digest.replace(':', '/')}`;

function* file(name: string, content: Buffer): Generator<Buffer> {
  yield encodeHeader(newEntry(name, 'file', content.length, 0o644));
  yield content;
  yield tarPadding(content.length);
}

const layerDescriptor = (layer: StoredLayer) => ({
  mediaType: MEDIA_TYPES.layer,
  digest: layer.diffId,
  size: Number(layer.archiveSize),
});

function manifestOf({ image, layers }: ExportedImage): object {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: { mediaType: MEDIA_TYPES.config, digest: image.id, size: image.config.length },
    layers: layers.map(layerDescriptor),
  };
}

function indexEntries(tags: Tagged[], descriptor: object): object[] {
  if (tags.length === 0) return [descriptor];
  return tags.map(({ repository, tag }) => ({
    ...descriptor,
    annotations: {
      'io.containerd.image.name': `${repository}:${tag}`,
      'org.opencontainers.image.ref.name': tag,
    },
  }));
}

function dockerManifest({ image, layers, tags }: ExportedImage): object {
  return {
    Config: blobPath(image.id),
    RepoTags: tags.length > 0 ? tags.map(familiar) : null,
    Layers: layers.map((layer) => blobPath(layer.diffId)),
    LayerSources: Object.fromEntries(layers.map((layer) => [layer.diffId, layerDescriptor(layer)])),
  };
}

/** The file of the oldest Dockers: repository to tag to top layer. */
function repositoriesOf(images: ExportedImage[]): Record<string, Record<string, string>> {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { tags, layers } of images) {
    for (const { repository, tag } of tags) {
      const name = familiarRepository(repository);
      repositories[name] = {
        ...repositories[name],
        [tag]: (layers.at(-1)?.diffId ?? '').replace('sha256:', ''),
      };
    }
  }
  return repositories;
}
