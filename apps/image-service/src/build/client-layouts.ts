import { Inject, Injectable } from '@nestjs/common';
import type { BuildJob } from '@gantry/shared/queue';
import { parseImageConfig, type Platform } from '../images/image-config';
import { ImageStore } from '../images/image-store';
import { ProgressLines } from '../progress/progress-lines';
import { PullLayers } from '../pull/pull-layers';
import { resolveImage } from '../pull/pull-manifest';
import type { BuildScope } from './build-scope';

type NamedContexts = BuildJob['contexts'];

/** Images that lie in OCI layouts of the client (`--build-context name=oci-layout://directory`). */
@Injectable()
export class ClientLayouts {
  constructor(
    @Inject(PullLayers) private readonly layers: PullLayers,
    @Inject(ImageStore) private readonly images: ImageStore,
  ) {}

  /** The named contexts, with images of this engine in the place of layouts: they are brought here. @throws what the client says */
  async bring(
    contexts: NamedContexts,
    { platform, session, signal }: Pick<BuildScope, 'platform' | 'session' | 'signal'>,
  ): Promise<NamedContexts> {
    const brought: NamedContexts = {};
    for (const [name, context] of Object.entries(contexts)) {
      if (context.kind !== 'layout') brought[name] = context;
      else {
        const content = session.content(context.store);
        const reference = await this.image(content, context.digest, platform, signal);
        brought[name] = { kind: 'image', reference };
      }
    }
    return brought;
  }

  /** Its id. */
  private async image(
    content: ReturnType<BuildScope['session']['content']>,
    digest: string,
    platform: Platform | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const { manifest, config } = await resolveImage(content, digest, platform, signal);
    const diffIds = parseImageConfig(config).rootfs.diff_ids;
    const unheard = new ProgressLines(async () => {});
    return this.images.create(
      config,
      await this.layers.pull(content, manifest.layers, diffIds, unheard, signal),
    );
  }
}
