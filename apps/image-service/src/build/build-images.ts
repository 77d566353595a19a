import { Inject, Injectable } from '@nestjs/common';
import { internal, invalidArgument } from '@gantry/shared/errors';
import type { BuildJob } from '@gantry/shared/queue';
import { BuildArguments } from '../dockerfile/build-arguments';
import type { Dockerfile, Instruction } from '../dockerfile/dockerfile';
import { hostPlatform, parsePlatform, type Platform } from '../images/image-config';
import { ImageStore, taggable } from '../images/image-store';
import { LayerStore } from '../layers/layer-store';
import { platformText } from '../manifests/platform-choice';
import type { OnLines } from '../progress/progress-lines';
import { familiar, parseNamed } from '../references/reference';
import { BuildExports } from './export/build-exports';
import { BuildOutput, shortImageId } from './build-output';
import { type BuiltImage, configOf } from './built-image';
import { planBuild } from './build-plan';
import type { BuildScope } from './build-scope';
import { BaseImages } from './base-images';
import { ClientLayouts } from './client-layouts';
import { PlatformImages } from './platforms/platform-images';
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
    @Inject(PlatformImages) private readonly platforms: PlatformImages,
    @Inject(ClientLayouts) private readonly layouts: ClientLayouts,
  ) {}

  /** Returns the image's id. @throws InvalidArgument as dockerd words it, CommandFailed */
  async build(dockerfile: Dockerfile, request: BuildJob, context: BuildSite): Promise<string> {
    const names = request.names.map((name) => taggable(parseNamed(name)));
    const ended = new AbortController();
    const signal = AbortSignal.any([context.signal, ended.signal]);
    const scopes = this.scopes(dockerfile, request, { ...context, signal });
    const [main] = scopes;
    const output = new BuildOutput(context.onLines, request.isForBuildKit);
    output.open();
    try {
      await this.openCaches(scopes, output);
      for (const { text } of request.isForBuildKit ? [] : dockerfile.continuations) {
        output.text(`[WARNING]: Empty continuation line found in:\n    ${text}\n`);
      }
      const results = new Map<BuildScope, Built>();
      for (const scope of hostLast(scopes)) {
        if (scopes.length > 1 && scope.platform) output.platform(platformText(scope.platform));
        await output.flush();
        scope.request = { ...request, contexts: await this.layouts.bring(request.contexts, scope) };
        const building = this.running(dockerfile, scope, (error) => ended.abort(error));
        const stage = await building.run(context.onLines);
        const image = request.squash ? await this.squashed(stage, scope, output) : stage.image;
        results.set(scope, { image, last: stage.image, scope });
      }
      const built = scopes.flatMap((scope) => results.get(scope) ?? []);
      const id = await this.deliver(built, names, output);
      for (const order of request.cacheExports) await this.cacheExports.write(order, built, output);
      return id;
    } finally {
      await main.caches.settle();
      main.networks.close();
      main.session.close();
      // Also what a build that failed has finished.
      void this.layers.settle().then(() => this.images.noteChange());
      await this.cache.release([...main.keys]);
      void this.pruning.limit();
      await output.flush();
    }
  }

  private running(
    dockerfile: Dockerfile,
    scope: BuildScope,
    onFailure: (error: unknown) => void,
  ): RunningBuild {
    const { target, contexts } = scope.request;
    const labels = labelInstructions(scope.request.labels);
    const variables = scope.arguments.forBase;
    const plan = planBuild(dockerfile, { target, variables, labels: labels.length, contexts });
    const building = new RunningBuild(this.stages, this.bases, dockerfile, plan, labels, scope, onFailure);
    scope.source = (reference, stageIndex, output) => building.source(reference, stageIndex, output);
    return building;
  }

  /** To where it is wanted. Returns the id of the image that is meant where one is. */
  private async deliver(built: Built[], names: Name[], output: BuildOutput): Promise<string> {
    const { image, scope } = built.find(isOfHost) ?? (built[0] as Built);
    const { export: wanted } = scope.request;
    const images = built.map((one) => one.image);
    if (wanted) await this.layers.settle();
    else {
      output.vertex('exporting to image');
      await output.part('exporting layers', () => this.layers.settle());
      if (image.id !== null) {
        this.images.publish(image.id, 'create', image.id, configOf(image).Labels ?? {});
      }
    }
    if (wanted) await this.exports.send(wanted, images, scope, output);
    else if (built.length === 1) await this.name(image, names, scope, output);
    else {
      const ids = images.map(({ id }) => id ?? nothingBuilt());
      const { digest, mediaType, bytes } = await output.part(
        `naming to ${names.map(nameText).join(', ')}`,
        () => this.platforms.name(ids, image.id ?? '', names, scope.signal),
      );
      const descriptor = Buffer.from(JSON.stringify({ mediaType, digest, size: bytes.length }));
      const said = {
        'containerimage.digest': digest,
        'containerimage.descriptor': descriptor.toString('base64'),
      };
      output.send({ aux: { ID: image.id, exporter: said } });
    }
    return image.id ?? '';
  }

  /** Makes it an image that people find. @throws InvalidArgument where nothing was built */
  private async name(
    image: BuiltImage,
    names: Name[],
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<void> {
    if (image.id === null) nothingBuilt();
    const unused = scope.arguments.unused.filter((name) => name !== EPOCH);
    if (unused.length > 0) {
      output.text(`[Warning] One or more build-args [${unused.join(' ')}] were not consumed\n`);
    }
    const { id } = image;
    output.classic({ stream: `Successfully built ${shortImageId(id)}\n` });
    await output.part(`writing image ${id}`, async () => undefined);
    for (const name of names) {
      await output.part(`naming to ${nameText(name)}`, () => this.images.tag(id, name));
      output.classic({ stream: `Successfully tagged ${familiar(name)}\n` });
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

  private async openCaches([main, ...others]: Scopes, output: BuildOutput): Promise<void> {
    const { cacheFrom, cacheImports } = main.request;
    main.cacheFrom = await this.cacheSources.open(cacheFrom);
    if (cacheImports.length > 0) {
      const { caches, images } = await this.cacheImports.open(main, output);
      main.caches = caches;
      main.cacheFrom ??= await this.cacheSources.open(images, { isOnlyCache: false });
    }
    for (const scope of others) Object.assign(scope, { cacheFrom: main.cacheFrom, caches: main.caches });
  }

  /** One a platform; what is not of a platform all have together. */
  private scopes(
    { globals, escape }: Dockerfile,
    request: BuildJob,
    { jobId, created, signal, context, trees, registries }: BuildSite,
  ): Scopes {
    const given = new Map(Object.entries(request.arguments));
    const shared = {
      request,
      jobId,
      created,
      signal,
      escape,
      epoch: epochOf(given),
      context,
      trees,
      registries,
      networks: this.networks.open(request.extraHosts),
      session: new ClientSession(request.session),
      cacheFrom: undefined,
      caches: this.cacheImports.none,
      keys: new Set<string>(),
      source: () => Promise.reject(internal('the build has not begun')),
    };
    const build = hostPlatform();
    const [first, ...others] = wantedPlatforms(request.platform).map((platform): BuildScope => {
      const platforms = { build, target: platform ?? build };
      const args = new BuildArguments(given, platforms, request.target || undefined);
      for (const one of globals) args.declareGlobal(one, escape);
      return { ...shared, arguments: args, platform, known: new Map(), steps: new Map() };
    });
    return [first as BuildScope, ...others];
  }
}

interface Built {
  image: BuiltImage;
  /** Before it was squashed. */
  last: BuiltImage;
  scope: BuildScope;
}

type Name = { repository: string; tag: string };
const nameText = ({ repository, tag }: Name): string => `${repository}:${tag}`;
type Scopes = [BuildScope, ...BuildScope[]];

const isOfHost = ({ scope }: Pick<Built, 'scope'>): boolean =>
  scope.platform?.architecture === hostPlatform().architecture;

function nothingBuilt(): never {
  throw invalidArgument('No image was generated. Is your Dockerfile empty?');
}

/** A pull of a base image moves its tag: it is to end at the host's, where that is among those that are built. */
const hostLast = (scopes: BuildScope[]): BuildScope[] =>
  [...scopes].sort((a, b) => Number(isOfHost({ scope: a })) - Number(isOfHost({ scope: b })));

/** Each once; undefined: none is asked for. */
function wantedPlatforms(text: string): (Platform | undefined)[] {
  if (text === '') return [undefined];
  const wanted = text.split(',').map((one) => parsePlatform(one));
  return [...new Map(wanted.map((platform) => [platformText(platform), platform])).values()];
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
