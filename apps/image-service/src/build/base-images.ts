import { Inject, Injectable } from '@nestjs/common';
import { EngineError, isKind } from '@gantry/shared/errors';
import type { Image } from '../database/image-database';
import { checkPlatform, matchesPlatform, parseImageConfig, type Platform } from '../images/image-config';
import { ImageLookup } from '../images/image-lookup';
import { LayerStore } from '../layers/layer-store';
import { platformText } from '../manifests/platform-choice';
import type { OnLine } from '../progress/progress-lines';
import { PullImages } from '../pull/pull-images';
import { canonicalName, isDigest, parseAny } from '../references/reference';
import type { BuiltImage } from './built-image';
import { credentialsFor, type RegistryConfig } from './registry-config';
import { baseKey } from './cache/step-key';

export interface BaseRequest {
  /** As it stands in the Dockerfile, variables put in. */
  reference: string;
  /** undefined: whatever is here, or the host's. */
  platform: Platform | undefined;
  /** Ask the registry even where it is here. */
  pull: boolean;
  registries: RegistryConfig;
  /** See stepKey. */
  epoch: number | undefined;
  /** See BuildJob: errors are worded for its clients. */
  isForBuildKit?: boolean;
}

/** The images that stages are built on and files are copied from. */
@Injectable()
export class BaseImages {
  constructor(
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(PullImages) private readonly pulling: PullImages,
  ) {}

  /** Pulls what is not here. @throws what the registry says, in dockerd's words */
  async find(request: BaseRequest, onLine: OnLine, signal: AbortSignal): Promise<BuiltImage> {
    const local = request.pull ? undefined : await this.local(request);
    return this.built(local ?? (await this.pulled(request, onLine, signal)), request.epoch);
  }

  private async pulled(request: BaseRequest, onLine: OnLine, signal: AbortSignal): Promise<Image> {
    try {
      return await this.pull(request, onLine, signal);
    } catch (error) {
      const { reference, isForBuildKit } = request;
      const isAnswer = error instanceof EngineError && !signal.aborted && !isDigest(reference);
      if (!isForBuildKit || !isAnswer) throw error;
      const name = canonicalName(reference);
      const message = `${reference}: failed to resolve source metadata for ${name}: ${error.message}`;
      throw new EngineError(error.kind, message, { cause: error });
    }
  }

  private async local({ reference, platform }: BaseRequest): Promise<Image | undefined> {
    try {
      const image = await this.lookup.find(reference);
      return !platform || matchesPlatform(parseImageConfig(image.config), platform) ? image : undefined;
    } catch (error) {
      if (isKind(error, 'NotFound')) return undefined;
      throw error;
    }
  }

  private async pull(
    { reference, platform, registries }: BaseRequest,
    onLine: OnLine,
    signal: AbortSignal,
  ): Promise<Image> {
    const parsed = parseAny(reference);
    // An id is in no registry.
    if (parsed.kind === 'id') {
      const image = await this.lookup.find(reference);
      if (platform) checkPlatform(parseImageConfig(image.config), platform, reference);
      return image;
    }
    const { repository, tag, digest } = parsed.name;
    const order = {
      repository: reference,
      tag: tag === undefined && digest === undefined ? 'latest' : '',
      platform: platform ? platformText(platform) : '',
      credentials: credentialsFor(registries, repository),
    };
    await this.pulling.pull(order, { onLine, signal });
    return this.lookup.find(reference);
  }

  private async built(image: Image, epoch: number | undefined): Promise<BuiltImage> {
    const layers = await this.layers.chain(image.topChainId);
    return {
      id: image.id,
      document: parseImageConfig(image.config),
      layers: layers.reverse(),
      key: baseKey(image.id, epoch),
    };
  }
}
