import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { ImageDatabase, isForeignKeyViolation } from '../database/image-database';
import { LayerDirectories, type LayerRecord } from '../layers/layer-directories';

/** The rows of layers, made again from what their directories say. */
@Injectable()
export class LayerIndex {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
  ) {
    this.nodeId = config.nodeId;
  }

  async known(): Promise<{ layerIds: Set<string>; chainIds: Set<string> }> {
    const rows = await this.database.layer.findMany({
      where: { nodeId: this.nodeId },
      select: { layerId: true, chainId: true },
    });
    return {
      layerIds: new Set(rows.map((row) => row.layerId)),
      chainIds: new Set(rows.map((row) => row.chainId)),
    };
  }

  /** Gives a layer its row. It may have been removed since it was found: then it gets none. */
  async add(layerId: string, record: LayerRecord): Promise<string | undefined> {
    const { chainId, diffId, parentChainId } = record;
    try {
      await this.database.layer.createMany({
        data: [
          {
            nodeId: this.nodeId,
            layerId,
            chainId,
            diffId,
            parentChainId,
            size: BigInt(record.size),
            archiveSize: BigInt(record.archiveSize),
          },
        ],
        skipDuplicates: true,
      });
      if (this.directories.record(layerId)) return 'indexed';
      await this.database.layer.deleteMany({ where: { nodeId: this.nodeId, layerId } });
      return undefined;
    } catch (error) {
      // Its parent was removed, or somebody has begun to use it.
      if (isForeignKeyViolation(error)) return undefined;
      throw error;
    }
  }
}
