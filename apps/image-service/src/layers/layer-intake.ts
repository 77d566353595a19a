import { Inject, Injectable } from '@nestjs/common';
import type { FilePart } from './compression';
import { LayerStore, type StagedLayer } from './layer-store';
import type { UnpackObserver } from './layer-task';

/** Takes a layer archive out of a file, whatever it is compressed with. */
@Injectable()
export class LayerIntake {
  constructor(@Inject(LayerStore) private readonly layers: LayerStore) {}

  /** Unpacks only: see {@link LayerStore.stage}. `digest`: of the compressed bytes, verified where given. */
  async stage(part: FilePart, digest: string | undefined, observer: UnpackObserver): Promise<StagedLayer> {
    return this.layers.stage({ kind: 'file', ...part, digest }, observer);
  }
}
