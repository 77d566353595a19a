import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { dataLoss, invalidArgument, notFound } from '@gantry/shared/errors';
import type { ImageJobs } from '@gantry/shared/queue';
import type { Image } from '../database/image-database';
import { checkPlatform, parseImageConfig, type Platform, platformOfJson } from '../images/image-config';
import { ImageStore } from '../images/image-store';
import { ManifestStore } from '../manifests/manifest-store';
import { type OnLine, ProgressLines } from '../progress/progress-lines';
import {
  familiar,
  familiarRepository,
  type NamedReference,
  parseNamed,
  parseRepositoryAndTag,
} from '../references/reference';
import {
  type FetchedManifest,
  REGISTRIES,
  type Registries,
  type RegistryCredentials,
  type Repository,
} from '../registry/registry';
import { type PushContent, PushContents } from './push-content';
import { PushIndexes } from './push-indexes';
import { PushLayers } from './push-layers';

/** One image that is sent under one name. */
interface Push {
  repository: Repository;
  image: Image;
  tag: string;
  /** Digests that the repository is known to have. */
  known: Set<string>;
  /** Not the images of other platforms, if there are. */
  alone: boolean;
}

/** `docker push`. Done twice it sends nothing the second time. */
@Injectable()
export class PushImages {
  constructor(
    @Inject(REGISTRIES) private readonly registries: Registries,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
    @Inject(PushContents) private readonly contents: PushContents,
    @Inject(PushLayers) private readonly layers: PushLayers,
    @Inject(PushIndexes) private readonly indexes: PushIndexes,
  ) {}

  /**
   * One tag, or all that the repository has here.
   * @throws NotFound and InvalidArgument as dockerd words them, and what the registry says
   */
  async push(
    asked: Omit<ImageJobs['push'], 'credentialsId'>,
    credentials: RegistryCredentials | undefined,
    onLine: OnLine,
    signal: AbortSignal,
  ): Promise<void> {
    const name = nameOf(asked);
    const platform = platformOfJson(asked.platformJson);
    if (platform) await this.checkPlatform(name, platform);
    const lines = new ProgressLines(onLine);
    lines.message(`The push refers to repository [${name.repository}]`);
    try {
      const chosen = await this.chosen(name);
      const repository = this.registries.repository(name.repository, credentials, 'push');
      const known = new Set<string>();
      for (const { tag, image } of chosen) {
        await this.pushOne({ repository, image, tag, known, alone: platform !== undefined }, lines, signal);
      }
      await this.announce(name, chosen[0]?.image);
    } finally {
      await lines.flush();
    }
  }

  /** The tags to push, in their order, and what they stand for. */
  private async chosen(name: NamedReference): Promise<{ tag: string; image: Image }[]> {
    const { repository } = name;
    const { tags, isKnown } = await this.images.tagsOf(repository);
    if (!isKnown) {
      throw notFound(`An image does not exist locally with the tag: ${familiarRepository(repository)}`);
    }
    if (name.tag === undefined) {
      if (tags.length === 0) throw notFound(`no tags to push for ${familiarRepository(repository)}`);
    } else if (!tags.some(({ tag }) => tag === name.tag)) {
      throw notFound(`tag does not exist: ${familiar(name)}`);
    }
    const chosen = tags.filter(({ tag }) => name.tag === undefined || tag === name.tag);
    return Promise.all(
      chosen.map(async ({ tag, imageId }) => {
        const image = await this.images.find(imageId);
        if (!image) throw notFound(`tag does not exist: ${familiar({ repository, tag })}`);
        return { tag, image };
      }),
    );
  }

  private async checkPlatform(name: NamedReference, platform: Platform): Promise<void> {
    const { tags } = await this.images.tagsOf(name.repository);
    for (const { tag, imageId } of tags.filter((one) => name.tag === undefined || one.tag === name.tag)) {
      const image = await this.images.find(imageId);
      const reference = familiar({ repository: name.repository, tag });
      if (image) checkPlatform(parseImageConfig(image.config), platform, reference);
    }
  }

  private async pushOne(push: Push, lines: ProgressLines, signal: AbortSignal): Promise<void> {
    const { repository, image, tag } = push;
    const whole = push.alone ? undefined : await this.indexes.of(image, repository.name);
    for (const one of whole?.images ?? []) {
      const content = await this.contents.exactly(one.image, one.manifest, repository, signal);
      await this.pushContent({ ...push, image: one.image, tag: one.manifest }, content, lines, signal);
    }
    const manifest = whole
      ? { ...whole.index, bytes: Buffer.from(whole.index.document) }
      : await this.pushContent(push, await this.contents.of(image, repository, signal), lines, signal);
    const { digest, bytes } = manifest;
    if (whole) await putManifest(repository, tag, manifest, signal);
    lines.message(`${tag}: digest: ${digest} size: ${bytes.length}`);
    if (!whole) await this.manifests.put(manifest, image.id);
    await this.images.addDigest(image.id, repository.name, digest);
    lines.aux({ Tag: tag, Digest: digest, Size: bytes.length });
  }

  /** Layers, configuration, and the manifest under the tag. */
  private async pushContent(
    push: Push,
    content: PushContent,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<FetchedManifest> {
    await this.layers.push(push.repository, content.layers, push.known, lines, signal);
    await this.pushConfig(push, content, signal);
    const manifest = await content.manifest();
    await putManifest(push.repository, push.tag, manifest, signal);
    return manifest;
  }

  private async pushConfig(push: Push, { config }: PushContent, signal: AbortSignal): Promise<void> {
    const { repository, image, known } = push;
    if (known.has(image.id)) return;
    if ((await repository.blobSize(image.id, { signal })) === undefined) {
      const bytes = Buffer.from(config);
      await repository.uploadBlob(
        {
          digest: image.id,
          size: bytes.length,
          open: (offset) => Readable.from([bytes.subarray(offset)]),
          onProgress: () => {},
        },
        { signal },
      );
    }
    known.add(image.id);
  }

  /** The event names the image as it was asked for, not by its id. */
  private async announce(name: NamedReference, image: Image | undefined): Promise<void> {
    const labels =
      image && name.tag !== undefined ? parseImageConfig(image.config).config?.Labels : undefined;
    this.images.publish(familiar(name), 'push', familiarRepository(name.repository), labels ?? {});
  }
}

/** @throws DataLoss where the registry has something else than it was sent */
async function putManifest(
  repository: Repository,
  tag: string,
  manifest: FetchedManifest,
  signal: AbortSignal,
): Promise<void> {
  const computed = await repository.putManifest(tag, manifest, { signal });
  if (computed === manifest.digest) return;
  throw dataLoss(`the registry has the manifest of ${tag} as ${computed}, and not as ${manifest.digest}`);
}

/** A tag in `repository` counts where none is given beside it; none at all means all tags. */
function nameOf({ repository, tag }: { repository: string; tag: string }): NamedReference {
  const name = tag === '' ? parseNamed(repository) : parseRepositoryAndTag(repository, tag);
  if (name.digest !== undefined) throw invalidArgument('cannot push a digest reference');
  return name;
}
