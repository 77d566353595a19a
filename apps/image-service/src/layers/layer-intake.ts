import { Inject, Injectable } from '@nestjs/common';
import type { FilePart } from './compression';
import { LayerStore, type StagedLayer, type StoredLayer } from './layer-store';

/** Takes a layer archive out of a file, whatever it is compressed with. */
@Injectable()
export class LayerIntake {
  constructor(@Inject(LayerStore) private readonly layers: LayerStore) {}

  /** `diffId`: what the image says the layer is; `digest`: of the compressed bytes. Both are verified where given. */
  async take(
    part: FilePart,
    parent: StoredLayer | undefined,
    expected: { diffId?: string; digest?: string } = {},
  ): Promise<StoredLayer> {
    const { diffId, digest } = expected;
    return this.layers.add({ kind: 'file', ...part, digest }, parent, diffId);
  }

  /** Unpacks only: see {@link LayerStore.stage}. */
  async stage(part: FilePart, digest: string | undefined, signal: AbortSignal): Promise<StagedLayer> {
    return this.layers.stage({ kind: 'file', ...part, digest }, { signal });
  }
}
