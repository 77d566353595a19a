import { Inject, Injectable } from '@nestjs/common';
import { chainIdsOf } from './chain-id';
import { LayerStore, type StagedLayer, type StoredLayer } from './layer-store';

/** One layer of an image that is to be here. */
export interface WantedLayer {
  diffId: string;
  /** Unpacks it; called at most once, and only where it is missing. */
  stage(signal: AbortSignal): Promise<StagedLayer>;
  /** It is there already. */
  onExisting?(): Promise<void>;
  /** It is committed. */
  onCommitted?(): Promise<void>;
}

/** Brings all layers of an image: unpacks what is missing side by side, commits from the lowest to the topmost. */
@Injectable()
export class LayerChains {
  /** Layers this process is bringing, by chain id: a second one who wants the same waits. */
  private readonly running = new Map<string, Promise<StoredLayer>>();

  constructor(@Inject(LayerStore) private readonly layers: LayerStore) {}

  /** Lowest first. @throws the first error; nothing that is half done is left behind. */
  async build(wanted: WantedLayer[], signal: AbortSignal): Promise<StoredLayer[]> {
    const chainIds = chainIdsOf(wanted.map((layer) => layer.diffId));
    const present = new Map((await this.layers.findAll(chainIds)).map((layer) => [layer.chainId, layer]));
    const failure = new AbortController();
    const both = AbortSignal.any([signal, failure.signal]);
    const results: Promise<StoredLayer>[] = [];
    for (const [position, layer] of wanted.entries()) {
      const chainId = chainIds[position] ?? '';
      const existing = present.get(chainId);
      const below = results.at(-1);
      const result = existing
        ? Promise.resolve(layer.onExisting?.()).then(() => existing)
        : this.bring(chainId, layer, below, both);
      result.catch((error: unknown) => failure.abort(error));
      results.push(result);
    }
    const ended = await Promise.allSettled(results);
    if (failure.signal.aborted) throw failure.signal.reason;
    return ended.map((one) => (one as PromiseFulfilledResult<StoredLayer>).value);
  }

  private async bring(
    chainId: string,
    layer: WantedLayer,
    below: Promise<StoredLayer> | undefined,
    signal: AbortSignal,
  ): Promise<StoredLayer> {
    for (let other = this.running.get(chainId); other; other = this.running.get(chainId)) {
      const theirs = await other.catch(() => undefined);
      signal.throwIfAborted();
      if (!theirs) continue;
      await layer.onExisting?.();
      return theirs;
    }
    const own = this.stageAndCommit(layer, below, signal);
    this.running.set(chainId, own);
    try {
      return await own;
    } finally {
      this.running.delete(chainId);
    }
  }

  private async stageAndCommit(
    layer: WantedLayer,
    below: Promise<StoredLayer> | undefined,
    signal: AbortSignal,
  ): Promise<StoredLayer> {
    const staged = await layer.stage(signal);
    let parent: StoredLayer | undefined;
    try {
      parent = await below;
      signal.throwIfAborted();
    } catch (error) {
      await this.layers.discard(staged);
      throw error;
    }
    const stored = await this.layers.commit(staged, parent, layer.diffId);
    await layer.onCommitted?.();
    return stored;
  }
}
