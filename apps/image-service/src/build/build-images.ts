import { Inject, Injectable } from '@nestjs/common';
import { internal, invalidArgument } from '@gantry/shared/errors';
import type { BuildJob } from '@gantry/shared/queue';
import { BuildArguments } from '../dockerfile/build-arguments';
import type { Dockerfile, Instruction } from '../dockerfile/dockerfile';
import { hostPlatform, parsePlatform } from '../images/image-config';
import { ImageStore, taggable } from '../images/image-store';
import { LayerStore } from '../layers/layer-store';
import type { OnLines } from '../progress/progress-lines';
import { familiar, parseNamed } from '../references/reference';
import { BuildExports } from './export/build-exports';
import { BuildOutput, shortImageId } from './build-output';
import type { BuiltImage } from './built-image';
import { planBuild } from './build-plan';
import type { BuildScope } from './build-scope';
import { BaseImages } from './base-images';
import { RunNetworks } from './run/run-network';
import { RunningBuild } from './running-build';
import { ClientSession } from './session/client-session';
import { SquashImage } from './squash/squash-image';
import { type BuiltStage, StageBuilder } from './stage-builder';
import { CacheSources } from './cache/cache-sources';
import { CacheExports } from './cache/remote/cache-exports';
import { CacheImports } from './cache/remote/cache-imports';
import { PruneBuildCache } from './cache/prune-build-cache';
import { StepCache } from './cache/step-cache';

/** What a build works with. */
export interface BuildSite extends Pick<
  BuildScope,
  'jobId' | 'created' | 'signal' | 'context' | 'trees' | 'registries'
> {
  onLines: OnLines;
}

/** `docker build`. Begun again after its process died, it goes on after the last step that was finished. */
@Injectable()
export class BuildImages {
  constructor(
    @Inject(StageBuilder) private readonly stages: StageBuilder,
    @Inject(BaseImages) private readonly bases: BaseImages,
    @Inject(RunNetworks) private readonly networks: RunNetworks,
    @Inject(StepCache) private readonly cache: StepCache,
    @Inject(CacheSources) private readonly cacheSources: CacheSources,
    @Inject(PruneBuildCache) private readonly pruning: PruneBuildCache,
    @Inject(LayerStore) private readonly layers: LayerStore,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(SquashImage) private readonly squashing: SquashImage,
    @Inject(BuildExports) private readonly exports: BuildExports,
    @Inject(CacheImports) private readonly cacheImports: CacheImports,
    @Inject(CacheExports) private readonly cacheExports: CacheExports,
  ) {}

  /** Returns the image's id. @throws InvalidArgument as dockerd words it, CommandFailed */
  async build(dockerfile: Dockerfile, request: BuildJob, context: BuildSite): Promise<string> {
    const names = request.names.map((name) => taggable(parseNamed(name)));
    const ended = new AbortController();
    const signal = AbortSignal.any([context.signal, ended.signal]);
    const scope = this.scope(dockerfile, request, { ...context, signal });
    scope.cacheFrom = await this.cacheSources.open(request.cacheFrom);
    const labels = labelInstructions(request.labels);
    const { target, contexts } = request;
    const variables = scope.arguments.forBase;
    const plan = planBuild(dockerfile, { target, variables, labels: labels.length, contexts });
    const building = new RunningBuild(this.stages, this.bases, dockerfile, plan, labels, scope, (error) =>
      ended.abort(error),
    );
    scope.source = (reference, stageIndex, output) => building.source(reference, stageIndex, output);
    const output = new BuildOutput(context.onLines);
    output.open();
    try {
      await this.importCaches(scope, output);
      for (const warning of dockerfile.warnings) output.text(`${warning}\n`);
      const stage = await building.run(context.onLines);
      const image = request.squash ? await this.squashed(stage, scope, output) : stage.image;
      await this.layers.settle();
      if (request.export) await this.exports.send(request.export, image, scope, output);
      else await this.name(image, names, scope, output);
      for (const order of request.cacheExports) {
        await this.cacheExports.write(order, stage.image, scope, output);
      }
      return image.id ?? '';
    } finally {
      await scope.caches.settle();
      scope.networks.close();
      scope.session.close();
      // Also what a build that failed has finished.
      void this.layers.settle().then(() => this.images.noteChange());
      await this.cache.release([...scope.keys]);
      void this.pruning.limit();
      await output.flush();
    }
  }

  /** Makes it an image that people find. @throws InvalidArgument where nothing was built */
  private async name(
    image: BuiltImage,
    names: { repository: string; tag: string }[],
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<void> {
    if (image.id === null) throw invalidArgument('No image was generated. Is your Dockerfile empty?');
    const unused = scope.arguments.unused.filter((name) => name !== EPOCH);
    if (unused.length > 0) {
      output.text(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`);
    }
    output.text(`Successfully built ${shortImageId(image.id)}\n`);
    for (const name of names) {
      await this.images.tag(image.id, name);
      output.text(`Successfully tagged ${familiar(name)}\n`);
    }
  }

  private async squashed(
    { image, base }: BuiltStage,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<BuiltImage> {
    if (image.id === null) return image;
    const squashed = await this.squashing.squash(image, base, scope);
    output.send({ id: 'moby.image.id', aux: { ID: squashed.id } });
    return squashed;
  }

  private async importCaches(scope: BuildScope, output: BuildOutput): Promise<void> {
    if (scope.request.cacheImports.length === 0) return;
    const { caches, images } = await this.cacheImports.open(scope, output);
    scope.caches = caches;
    scope.cacheFrom ??= await this.cacheSources.open(images, { isOnlyCache: false });
  }

  private scope(
    { globals, escape }: Dockerfile,
    request: BuildJob,
    { jobId, created, signal, context, trees, registries }: BuildSite,
  ): BuildScope {
    const platform = request.platform === '' ? undefined : parsePlatform(request.platform);
    const given = new Map(Object.entries(request.arguments));
    const build = hostPlatform();
    const args = new BuildArguments(given, { build, target: platform ?? build }, request.target || undefined);
    for (const one of globals) args.declareGlobal(one, escape);
    return {
      request,
      jobId,
      created,
      signal,
      arguments: args,
      escape,
      platform,
      epoch: epochOf(given),
      context,
      trees,
      registries,
      networks: this.networks.open(request.extraHosts),
      session: new ClientSession(request.session),
      cacheFrom: undefined,
      caches: this.cacheImports.none,
      known: new Map(),
      keys: new Set(),
      steps: new Map(),
      source: () => Promise.reject(internal('the build has not begun')),
    };
  }
}

const EPOCH = 'SOURCE_DATE_EPOCH';

/** reproducible-builds.org/docs/source-date-epoch. @throws InvalidArgument */
function epochOf(given: ReadonlyMap<string, string | null>): number | undefined {
  const text = given.get(EPOCH) ?? '';
  if (text === '') return undefined;
  if (!/^\d{1,11}$/.test(text)) throw invalidArgument(`invalid ${EPOCH}: ${text}`);
  return Number(text);
}

/** As dockerd: one LABEL each, in order, whose value is taken as it is. */
function labelInstructions(labels: Record<string, string>): Instruction[] {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => ({
      kind: 'label',
      pairs: [[quoted(name), quoted(value)]],
      origin: { line: 0, endLine: 0, text: `LABEL ${name}=${value}` },
    }));
}

/** A word that stays what it is when variables are put in. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'"'"'`)}'`;
