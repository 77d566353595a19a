import { Inject, Injectable } from '@nestjs/common';
import { isKind } from '@gantry/shared/errors';
import { type HistoryEntry, type ImageConfig, parseImageConfig } from '../../images/image-config';
import { ImageLookup } from '../../images/image-lookup';
import { ImageStore } from '../../images/image-store';
import { LayerStore, type StoredLayer } from '../../layers/layer-store';
import type { BuiltImage, StepResult } from '../built-image';

/** An image that a build may take steps from. */
interface CacheSource {
  id: string;
  document: ImageConfig;
  /** Lowest first. */
  layers: StoredLayer[];
  /** The images that it was made from here. */
  ancestors: ReadonlySet<string>;
}

/** A step as an image that is the cache has it. */
export interface RestoredStep {
  document: ImageConfig;
  layers: StoredLayer[];
  /** The whole image, where the step is its last. */
  id?: string;
}

/** Images that are the cache; with API `cachefrom` nothing else is (moby, builder cache of the daemon). */
export class CacheFrom {
  /** `isOnlyCache`: else the engine's own steps come first. */
  constructor(
    private sources: readonly CacheSource[],
    readonly isOnlyCache: boolean,
  ) {}

  /** Whether a step of this node's own cache belongs to one of the images. */
  contains(imageId: string): boolean {
    return this.sources.some(({ id, ancestors }) => id === imageId || ancestors.has(imageId));
  }

  /** A step that one of the images says it was made by. From then on no other image is looked at. */
  restore(before: BuiltImage, step: Pick<StepResult, 'createdBy' | 'config'>): RestoredStep | undefined {
    const done = before.document.history ?? [];
    const source = this.sources.find(
      ({ document }) =>
        startsWith(document, before.document) &&
        document.history?.[done.length]?.created_by === step.createdBy,
    );
    const entry = source?.document.history?.[done.length];
    if (!source || !entry) return undefined;
    this.sources = [source];
    if (source.document.history?.length === done.length + 1) return source;
    const count = before.layers.length + (entry.empty_layer ? 0 : 1);
    const layers = source.layers.slice(0, count);
    return { layers, document: documentOf(source.document, step, entry, layers, done.length + 1) };
  }
}

/** Finds the images of `cachefrom`. */
@Injectable()
export class CacheSources {
  constructor(
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(LayerStore) private readonly layers: LayerStore,
  ) {}

  /** undefined where no image is named: all that this node has done is the cache then. What is not here is left out. */
  async open(references: string[], { isOnlyCache } = { isOnlyCache: true }): Promise<CacheFrom | undefined> {
    if (references.length === 0) return undefined;
    const sources: CacheSource[] = [];
    for (const reference of references) {
      try {
        const image = await this.lookup.find(reference);
        const layers = (await this.layers.chain(image.topChainId)).reverse();
        const ancestors = await this.ancestorsOf(image.parentId);
        sources.push({ id: image.id, document: parseImageConfig(image.config), layers, ancestors });
      } catch (error) {
        if (!isKind(error, 'NotFound')) throw error;
      }
    }
    return new CacheFrom(sources, isOnlyCache);
  }

  private async ancestorsOf(parentId: string | null): Promise<Set<string>> {
    const found = new Set<string>();
    for (let id = parentId; id !== null && !found.has(id);) {
      found.add(id);
      id = (await this.images.find(id))?.parentId ?? null;
    }
    return found;
  }
}

/** Whether an image goes on where another ends. */
function startsWith(image: ImageConfig, before: ImageConfig): boolean {
  const [all, done] = [image.history ?? [], before.history ?? []];
  const [layers, below] = [image.rootfs.diff_ids, before.rootfs.diff_ids];
  return (
    all.length > done.length &&
    done.every((entry, index) => JSON.stringify(entry) === JSON.stringify(all[index])) &&
    below.every((diffId, index) => diffId === layers[index])
  );
}

function documentOf(
  image: ImageConfig,
  { config }: Pick<StepResult, 'config'>,
  { created }: HistoryEntry,
  layers: StoredLayer[],
  steps: number,
): ImageConfig {
  return {
    ...image,
    created,
    config,
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffId) },
    history: image.history?.slice(0, steps),
  };
}
