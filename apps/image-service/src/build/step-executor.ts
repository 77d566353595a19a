import { Inject, Injectable } from '@nestjs/common';
import { digestOf } from '../blobs/blob-store';
import { parseImageConfig } from '../images/image-config';
import { ImageStore } from '../images/image-store';
import { LayerDirectories } from '../layers/layer-directories';
import type { StoredLayer } from '../layers/layer-store';
import type { BuildOutput } from './build-output';
import type { BuildScope, PlannedStep } from './build-scope';
import { type BuiltImage, nextDocument, topOf } from './built-image';
import type { RestoredStep } from './cache/cache-sources';
import { StepCache } from './cache/step-cache';
import { stepKey } from './cache/step-key';

const STEP = { isStep: true };

/** Does a step, or finds that it has been done. */
@Injectable()
export class StepExecutor {
  /** Steps that this process looks for or does, by key: another stage or build that comes to the same one waits for it. */
  private readonly running = new Map<string, Promise<unknown>>();

  constructor(
    @Inject(StepCache) private readonly cache: StepCache,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(ImageStore) private readonly images: ImageStore,
  ) {}

  /** The image after the step, which is kept for builds to come. */
  async execute(
    before: BuiltImage,
    step: PlannedStep,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<BuiltImage> {
    scope.signal.throwIfAborted();
    const key = stepKey(before.key, step.inputs);
    if (!scope.keys.has(key)) this.cache.hold(key);
    scope.keys.add(key);
    const after = await this.result(key, before, step, scope, output);
    scope.steps.set(key, { before, after });
    return after;
  }

  private async result(
    key: string,
    before: BuiltImage,
    step: PlannedStep,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<BuiltImage> {
    if (!scope.request.noCache) {
      for (let other = this.running.get(key); other; other = this.running.get(key)) {
        await other.catch(() => {});
        scope.signal.throwIfAborted();
      }
    }
    // Nothing is awaited since nobody was seen to do it: builds that begin together would all do it otherwise.
    const doing = this.findOrPerform(key, before, step, scope, output);
    this.running.set(key, doing);
    try {
      return await doing;
    } finally {
      if (this.running.get(key) === doing) this.running.delete(key);
    }
  }

  private async findOrPerform(
    key: string,
    before: BuiltImage,
    step: PlannedStep,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<BuiltImage> {
    const found = await this.find(key, before, step, scope, output);
    if (!found) return this.perform(key, before, step, scope);
    output.fromCache();
    return found;
  }

  /** Looks up steps that are likely to come, all at once. */
  async lookAhead(keys: string[], { request, jobId, known }: BuildScope): Promise<void> {
    if (keys.length === 0) return;
    const found = await this.cache.find(keys, request.noCache ? jobId : undefined);
    for (const [key, step] of found) known.set(key, step);
  }

  private async find(
    key: string,
    before: BuiltImage,
    step: PlannedStep,
    scope: BuildScope,
    output: BuildOutput,
  ): Promise<BuiltImage | undefined> {
    const own = await this.ownStep(key, before, scope);
    const { cacheFrom, caches, request, signal } = scope;
    if (request.noCache) return own;
    if (own?.id && (!cacheFrom?.isOnlyCache || cacheFrom.contains(own.id))) return own;
    const restored =
      (await caches.restore(key, before, step, output, signal)) ?? cacheFrom?.restore(before, step);
    return restored && this.keep(key, before, restored, step, scope);
  }

  private async ownStep(key: string, before: BuiltImage, scope: BuildScope): Promise<BuiltImage | undefined> {
    if (!scope.known.has(key)) await this.lookAhead([key], scope);
    const cached = scope.known.get(key);
    const layers = cached && layersWith(before, cached.top);
    if (!cached || !layers) return undefined;
    // A power cut may have taken what was not flushed.
    if (cached.top && !this.directories.isWhole(cached.top.layerId)) return undefined;
    const id = digestOf(cached.config);
    if (!cached.hasImage) await this.images.create(cached.config, layers, before.id, STEP);
    return { id, document: parseImageConfig(cached.config), layers, key };
  }

  private async perform(
    key: string,
    before: BuiltImage,
    step: PlannedStep,
    scope: BuildScope,
  ): Promise<BuiltImage> {
    const layer = await step.perform?.();
    const created = scope.epoch === undefined ? new Date() : new Date(scope.epoch * 1000);
    const document = nextDocument(before.document, { ...step, layer, created });
    const layers = layer ? [...before.layers, layer] : before.layers;
    return this.keep(key, before, { document, layers }, step, scope);
  }

  /** As an image of the node, and for builds to come. */
  private async keep(
    key: string,
    before: BuiltImage,
    { document, layers, id: whole }: RestoredStep,
    { createdBy }: PlannedStep,
    { jobId }: BuildScope,
  ): Promise<BuiltImage> {
    const image = whole === undefined ? undefined : await this.images.find(whole);
    const config = image ? Buffer.from(image.config) : Buffer.from(JSON.stringify(document));
    const id = image?.id ?? (await this.images.create(config, layers, before.id, STEP));
    const isNew = layers.length > before.layers.length;
    const top = layers.at(-1);
    const size = isNew ? (top?.size ?? 0n) : 0n;
    await this.cache.keep({ key, parentKey: before.key, config, top, createdBy, size, jobId });
    return { id, document, layers, key };
  }
}

/** The layers after a step that ended with `top`; undefined where that does not lie on those before it. */
function layersWith(before: BuiltImage, top: StoredLayer | undefined): StoredLayer[] | undefined {
  const below = topOf(before);
  if (top?.chainId === below?.chainId) return before.layers;
  return top && top.parentChainId === (below?.chainId ?? null) ? [...before.layers, top] : undefined;
}
