import { messageOf } from '@gantry/shared/errors';
import type { StoredLayer } from '../../../layers/layer-store';
import { ProgressLines } from '../../../progress/progress-lines';
import type { PullLayers } from '../../../pull/pull-layers';
import type { Repository } from '../../../registry/registry';
import type { BuildOutput } from '../../build-output';
import type { PlannedStep } from '../../build-scope';
import { type BuiltImage, nextDocument } from '../../built-image';
import type { RestoredStep } from '../cache-sources';
import type { CachedStep } from '../step-cache';
import type { CacheDocument, CacheLayer } from './cache-document';

export interface OpenedCache {
  document: CacheDocument;
  /** Where its layers are. */
  source: Pick<Repository, 'blob'>;
}

/** Layers of steps: nobody follows how they arrive. */
const unheard = new ProgressLines(async () => {});

/** The caches that one build takes steps from beside the engine's own. */
export class ImportedCaches {
  /** Layers that are being fetched before their steps come. */
  private readonly ahead = new Set<Promise<unknown>>();

  constructor(
    private readonly caches: readonly OpenedCache[],
    private readonly layers: PullLayers,
  ) {}

  /**
   * Begins to fetch the layers of steps that come one after the other on an image with layers `below`, all at once. `known`: the
   * engine's own steps.
   */
  expect(
    keys: string[],
    below: StoredLayer[],
    known: ReadonlyMap<string, CachedStep>,
    signal: AbortSignal,
  ): void {
    for (const { document, source } of this.caches) {
      const base = [...below];
      const wanted: CacheLayer[] = [];
      for (const key of keys) {
        const own = wanted.length === 0 ? known.get(key) : undefined;
        if (own) {
          if (own.top && own.top.chainId !== base.at(-1)?.chainId) base.push(own.top);
          continue;
        }
        const step = document.find(key);
        if (!step) break;
        if (step.layer) wanted.push(step.layer);
      }
      if (wanted.length === 0) continue;
      // Whoever needs one of them asks again, and hears what is wrong.
      const fetching: Promise<unknown> = this.fetch(source, base, wanted, signal)
        .catch(() => {})
        .finally(() => this.ahead.delete(fetching));
      this.ahead.add(fetching);
    }
  }

  /** What a step has made elsewhere; undefined: no cache has it. */
  async restore(
    key: string,
    before: BuiltImage,
    step: PlannedStep,
    output: BuildOutput,
    signal: AbortSignal,
  ): Promise<RestoredStep | undefined> {
    for (const { document, source } of this.caches) {
      const found = document.find(key);
      if (!found) continue;
      try {
        const wanted = found.layer ? [found.layer] : [];
        const layers = [...before.layers, ...(await this.fetch(source, before.layers, wanted, signal))];
        const { created } = found;
        const layer = found.layer && layers.at(-1);
        return { layers, document: nextDocument(before.document, { ...step, layer, created }) };
      } catch (error) {
        signal.throwIfAborted();
        document.forget(key);
        output.send({ status: `the step is not taken from the cache: ${messageOf(error)}` });
      }
    }
    return undefined;
  }

  /** Nothing is fetched any more. */
  async settle(): Promise<void> {
    await Promise.all(this.ahead);
  }

  private async fetch(
    source: OpenedCache['source'],
    below: StoredLayer[],
    wanted: CacheLayer[],
    signal: AbortSignal,
  ): Promise<StoredLayer[]> {
    if (wanted.length === 0) return [];
    const descriptors = wanted.map(({ blob }) => blob);
    const diffIds = wanted.map(({ diffId }) => diffId);
    return this.layers.pull(source, descriptors, diffIds, unheard, signal, below);
  }
}
