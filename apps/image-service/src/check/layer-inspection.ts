import { existsSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { ImageDatabase, type Layer } from '../database/image-database';
import { LayerArchive } from '../layers/layer-archive';
import { LayerDirectories } from '../layers/layer-directories';
import { LAYER_COMMITTED, LAYER_DIFF } from '../layers/layer-files';
import { Breath } from './breath';
import type { Finding, OnProgress } from './finding';
import { LayerRepair } from './layer-repair';

/** Makes the archive of every layer again, which reads all its files: it has to be the one that the layer is named for. */
@Injectable()
export class LayerInspection {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(LayerArchive) private readonly archive: LayerArchive,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(LayerRepair) private readonly layerRepair: LayerRepair,
  ) {
    this.nodeId = config.nodeId;
  }

  async *verify(onProgress: OnProgress): AsyncGenerator<Finding> {
    const layers = await this.database.layer.findMany({ where: { nodeId: this.nodeId } });
    for (const [index, layer] of layers.entries()) {
      await onProgress({ subject: 'layers', current: index, total: layers.length });
      // A lost directory is told elsewhere.
      const isWhole = [LAYER_COMMITTED, LAYER_DIFF].every((file) =>
        existsSync(this.directories.path(layer.layerId, file)),
      );
      const problem = isWhole ? await this.problemOf(layer) : undefined;
      if (problem === undefined || !(await this.isStillThere(layer))) continue;
      const mending = { by: 'repair', mend: () => this.layerRepair.repair(layer) } as const;
      yield { kind: 'layer', id: layer.chainId, problem, mending };
    }
    await onProgress({ subject: 'layers', current: layers.length, total: layers.length });
  }

  private async problemOf(layer: Layer): Promise<string | undefined> {
    const breath = new Breath();
    try {
      const bytes = this.archive.read(layer);
      while (!(await bytes.next()).done) await breath.take();
      return undefined;
    } catch (error) {
      return `is corrupt: ${messageOf(error)}`;
    }
  }

  private async isStillThere({ layerId }: Layer): Promise<boolean> {
    return (await this.database.layer.count({ where: { nodeId: this.nodeId, layerId } })) > 0;
  }
}
