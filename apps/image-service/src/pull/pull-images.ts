import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument } from '@gantry/shared/errors';
import { engineEvent, EventPublisher } from '@gantry/shared/events';
import { matchesPlatform, parseImageConfig, parsePlatform, type Platform } from '../images/image-config';
import { ImageStore } from '../images/image-store';
import { chainIdsOf } from '../layers/chain-id';
import { LayerStore } from '../layers/layer-store';
import { ManifestStore } from '../manifests/manifest-store';
import { platformText } from '../manifests/platform-choice';
import { type OnLine, ProgressLines } from '../progress/progress-lines';
import {
  familiar,
  familiarRepository,
  isDigest,
  type NamedReference,
  parseNamed,
} from '../references/reference';
import { REGISTRIES, type Registries, type RegistryCredentials, type Repository } from '../registry/registry';
import { KeepAttestations } from './keep-attestations';
import { PullLayers } from './pull-layers';
import { type ResolvedImage, resolveImage } from './pull-manifest';

export interface PullRequest {
  /** As the user gave it. */
  repository: string;
  /** Tag or digest; empty: what the repository says, or else all tags. */
  tag: string;
  /** Empty: the host's. */
  platform: string;
  credentials: RegistryCredentials | undefined;
}

export interface PullContext {
  onLine: OnLine;
  signal: AbortSignal;
}

/** `docker pull`. Done twice it does nothing the second time; broken off it goes on where it was. */
@Injectable()
export class PullImages {
  constructor(
    @Inject(REGISTRIES) private readonly registries: Registries,
    @Inject(PullLayers) private readonly layers: PullLayers,
    @Inject(LayerStore) private readonly layerStore: LayerStore,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
    @Inject(KeepAttestations) private readonly attestations: KeepAttestations,
    @Inject(EventPublisher) private readonly events: EventPublisher,
  ) {}

  /** @throws what the registry refuses, in dockerd's words; no name has moved then. */
  async pull(request: PullRequest, { onLine, signal }: PullContext): Promise<void> {
    const name = pulledName(request.repository, request.tag);
    const platform = request.platform === '' ? undefined : parsePlatform(request.platform);
    const repository = this.registries.repository(name.repository, request.credentials, 'pull');
    const lines = new ProgressLines(onLine);
    try {
      if (name.tag !== undefined || name.digest !== undefined) {
        await this.pullOne(repository, name, platform, lines, signal);
      } else await this.pullAll(repository, name, platform, lines, signal);
    } finally {
      await lines.flush();
    }
  }

  private async pullAll(
    repository: Repository,
    { repository: canonical }: NamedReference,
    platform: Platform | undefined,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<void> {
    let isNewer = false;
    for await (const tag of repository.tags({ signal })) {
      const pulled = await this.pullTag(repository, { repository: canonical, tag }, platform, lines, signal);
      isNewer = pulled || isNewer;
    }
    lines.message(statusText(isNewer, familiarRepository(canonical)));
  }

  private async pullOne(
    repository: Repository,
    name: NamedReference,
    platform: Platform | undefined,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<void> {
    const isNewer = await this.pullTag(repository, name, platform, lines, signal);
    lines.message(statusText(isNewer, familiar(name)));
  }

  /** Whether anything is different now. */
  private async pullTag(
    repository: Repository,
    name: NamedReference,
    platform: Platform | undefined,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<boolean> {
    const reference = name.digest ?? name.tag ?? '';
    const resolved = await resolveImage(repository, reference, platform, signal);
    lines.status(reference, `Pulling from ${pathOf(name.repository)}`);
    const isKnown = await this.isComplete(resolved);
    if (!isKnown) await this.bring(repository, resolved, lines, signal);
    const hasMoved = await this.record(name, resolved);
    await this.attestations.keep(repository, resolved, signal);
    lines.message(`Digest: ${resolved.root.digest}`);
    this.warnOfPlatform(name, resolved, platform, lines);
    const { repository: canonical } = name;
    this.events.publish(
      engineEvent('image', 'pull', familiar(name), { name: familiarRepository(canonical) }),
    );
    return hasMoved || !isKnown;
  }

  private async isComplete({ imageId, config }: ResolvedImage): Promise<boolean> {
    if (!(await this.images.find(imageId))) return false;
    const chainIds = chainIdsOf(parseImageConfig(config).rootfs.diff_ids);
    return (await this.layerStore.findAll(chainIds)).length === new Set(chainIds).size;
  }

  private async bring(
    repository: Repository,
    { manifest, config }: ResolvedImage,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<void> {
    const diffIds = parseImageConfig(config).rootfs.diff_ids;
    const layers = await this.layers.pull(repository, manifest.layers, diffIds, lines, signal);
    await this.manifests.addSources(
      manifest.layers.map(({ digest }) => digest),
      repository.name,
    );
    await this.images.create(config, layers);
  }

  /** The documents, then the digest, the tag last of all. Whether a name is new or means another image now. */
  private async record(
    name: NamedReference,
    { root, indexes, fetched, imageId }: ResolvedImage,
  ): Promise<boolean> {
    await this.manifests.put(fetched, imageId);
    const { digests } = await this.images.references(imageId);
    const { repository, tag } = name;
    await this.images.addDigest(imageId, repository, root.digest);
    // An index is kept for the sake of a name.
    for (const index of indexes) await this.manifests.put(index, null);
    if (tag !== undefined && name.digest === undefined) {
      return (await this.images.point(imageId, { repository, tag })) !== imageId;
    }
    return !digests.some((known) => known.repository === repository && known.digest === root.digest);
  }

  /** As dockerd: the image is there, but not what was asked for. */
  private warnOfPlatform(
    name: NamedReference,
    { config }: ResolvedImage,
    wanted: Platform | undefined,
    lines: ProgressLines,
  ): void {
    const parsed = parseImageConfig(config);
    if (!wanted || matchesPlatform(parsed, wanted)) return;
    const actual = {
      os: parsed.os ?? '',
      architecture: parsed.architecture ?? '',
      variant: parsed.variant ?? '',
    };
    lines.message(
      `WARNING: image with reference ${familiar(name)} was found but does not match the specified platform: ` +
        `wanted ${platformText(wanted)}, actual: ${platformText(actual)}`,
    );
  }
}

/** Which image is meant: `tag` counts more than a tag in the name, a digest in the name more than both. */
function pulledName(text: string, tag: string): NamedReference {
  const name = parseNamed(text);
  if (name.digest !== undefined || tag === '') return name;
  if (isDigest(tag)) return { repository: name.repository, digest: tag };
  const tagged = parseNamed(`${familiarRepository(name.repository)}:${tag}`);
  if (tagged.tag !== tag) throw invalidArgument('invalid tag format');
  return { repository: name.repository, tag };
}

const statusText = (isNewer: boolean, name: string): string =>
  isNewer ? `Status: Downloaded newer image for ${name}` : `Status: Image is up to date for ${name}`;

/** `docker.io/library/busybox` is `library/busybox` in a registry. */
const pathOf = (repository: string): string => repository.slice(repository.indexOf('/') + 1);
