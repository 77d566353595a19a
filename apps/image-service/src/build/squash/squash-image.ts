import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { LINUX, type Linux } from '@gantry/shared/linux';
import type { HistoryEntry, ImageConfig } from '../../images/image-config';
import { ImageStore } from '../../images/image-store';
import { LayerDirectories } from '../../layers/layer-directories';
import { LAYER_DIFF } from '../../layers/layer-files';
import type { StoredLayer } from '../../layers/layer-store';
import type { BuildScope } from '../build-scope';
import { type BuiltImage, topOf } from '../built-image';
import { StepDirectories } from '../step-directories';
import { collapseLayers } from './collapse-layers';

/** API `squash`: what a build has added to its base becomes one layer (moby, daemon/images/image_squash.go). */
@Injectable()
export class SquashImage {
  constructor(
    @Inject(StepDirectories) private readonly steps: StepDirectories,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(ImageStore) private readonly images: ImageStore,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** `base`: what the last stage begins with. The image before stays; the new one has no parent. */
  async squash(image: BuiltImage, base: BuiltImage, scope: BuildScope): Promise<BuiltImage> {
    const added = image.layers.slice(base.layers.length);
    const layer = added.length > 1 ? await this.collapse(image, base, added, scope) : added[0];
    const created = scope.epoch === undefined ? new Date() : new Date(scope.epoch * 1000);
    const document = squashed(image, base, layer, created.toISOString());
    const layers = layer ? [...base.layers, layer] : base.layers;
    const id = await this.images.create(Buffer.from(JSON.stringify(document)), layers, null, {
      isStep: true,
    });
    return { ...image, id, document, layers };
  }

  private async collapse(
    image: BuiltImage,
    base: BuiltImage,
    added: StoredLayer[],
    scope: BuildScope,
  ): Promise<StoredLayer | undefined> {
    const [below, whole] = [this.steps.view(topOf(base)), this.steps.view(topOf(image))];
    try {
      const step = this.steps.bare();
      try {
        const layers = added.map(({ layerId }) => this.directories.path(layerId, LAYER_DIFF));
        collapseLayers(
          this.linux,
          { layers, below: below.root, whole: whole.root },
          join(step.path, LAYER_DIFF),
        );
      } catch (error) {
        await this.steps.close(step);
        throw error;
      }
      return await this.steps.commit(step, topOf(base), scope);
    } finally {
      await this.steps.close(below);
      await this.steps.close(whole);
    }
  }
}

/** The history says of all steps since the base that they have no layer, and then what was done. */
function squashed(
  image: BuiltImage,
  base: BuiltImage,
  layer: StoredLayer | undefined,
  created: string,
): ImageConfig {
  const from = base.document.history?.length ?? 0;
  const comment = base.id === null ? `create new from ${image.id}` : `merge ${image.id} to ${base.id}`;
  const merge: HistoryEntry = { created, comment, ...(!layer && { empty_layer: true }) };
  const steps = (image.document.history ?? []).map((entry, index) =>
    index < from ? entry : { ...entry, empty_layer: true },
  );
  return {
    ...image.document,
    created,
    rootfs: {
      type: 'layers',
      diff_ids: [...base.document.rootfs.diff_ids, ...(layer ? [layer.diffId] : [])],
    },
    history: [...steps, merge],
  };
}
