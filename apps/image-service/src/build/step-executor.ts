import { Inject, Injectable } from '@nestjs/common';
import { digestOf } from '../blobs/blob-store';
import { parseImageConfig } from '../images/image-config';
import { ImageStore } from '../images/image-store';
import type { StoredLayer } from '../layers/layer-store';
import type { BuildOutput } from './build-output';
import type { BuildScope, PlannedStep } from './build-scope';
import { type BuiltImage, nextDocument, topOf } from './built-image';
import { StepCache } from './cache/step-cache';
import { stepKey } from './cache/step-key';

/** Does a step, or finds that it has been done. */
@Injectable()
export class StepExecutor {
  /** Steps that this process is doing, by key: another build that comes to the same one waits for it. */
  private readonly running = new Map<string, Promise<unknown>>();

  constructor(
    @Inject(StepCache) private readonly cache: StepCache,
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
    if (!scope.request.noCache) await this.othersDone(key, scope.signal);
    const found = await this.find(key, before, scope);
    if (found) {
      output.fromCache();
      return found;
    }
    const doing = this.perform(key, before, step, scope);
    this.running.set(key, doing);
    try {
      return await doing;
    } finally {
      if (this.running.get(key) === doing) this.running.delete(key);
    }
  }

  private async othersDone(key: string, signal: AbortSignal): Promise<void> {
    for (let other = this.running.get(key); other; other = this.running.get(key)) {
      await other.catch(() => {});
      signal.throwIfAborted();
    }
  }

  private async find(
    key: string,
    before: BuiltImage,
    { request, jobId }: BuildScope,
  ): Promise<BuiltImage | undefined> {
    const cached = await this.cache.find(key, request.noCache ? jobId : undefined);
    if (!cached) return undefined;
    const layers = layersWith(before, cached.top);
    if (!layers) return undefined;
    const id = digestOf(cached.config);
    if (!(await this.images.find(id))) await this.images.create(cached.config, layers, before.id);
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
    const config = Buffer.from(JSON.stringify(document));
    const layers = layer ? [...before.layers, layer] : before.layers;
    const id = await this.images.create(config, layers, before.id);
    await this.cache.keep({
      key,
      parentKey: before.key,
      config,
      top: layers.at(-1),
      createdBy: step.createdBy,
      size: layer?.size ?? 0n,
      jobId: scope.jobId,
    });
    return { id, document, layers, key };
  }
}

/** The layers after a step that ended with `top`; undefined where that does not lie on those before it. */
function layersWith(before: BuiltImage, top: StoredLayer | undefined): StoredLayer[] | undefined {
  const below = topOf(before);
  if (top?.chainId === below?.chainId) return before.layers;
  return top && top.parentChainId === (below?.chainId ?? null) ? [...before.layers, top] : undefined;
}
