import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { type Image, ImageDatabase } from '../database/image-database';

interface Node {
  size: bigint;
  parent: string | null;
}

/** Which bytes images share with each other. */
@Injectable()
export class LayerUsage {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
  ) {
    this.nodeId = config.nodeId;
  }

  /** Bytes of all layers, and by image id those that it shares with at least one other image. */
  async measure(images: Image[]): Promise<{ total: number; shared: Map<string, number> }> {
    const rows = await this.database.layer.findMany({ where: { nodeId: this.nodeId } });
    const layers = new Map<string, Node>(
      rows.map((row) => [row.chainId, { size: row.size, parent: row.parentChainId }]),
    );
    const users = new Map<string, number>();
    for (const image of images) {
      for (const [chainId] of chain(layers, image.topChainId))
        users.set(chainId, (users.get(chainId) ?? 0) + 1);
    }
    const shared = new Map<string, number>();
    for (const image of images) {
      let bytes = 0n;
      for (const [chainId, layer] of chain(layers, image.topChainId)) {
        if ((users.get(chainId) ?? 0) > 1) bytes += layer.size;
      }
      shared.set(image.id, Number(bytes));
    }
    return { total: Number(rows.reduce((sum, row) => sum + row.size, 0n)), shared };
  }
}

function* chain(layers: ReadonlyMap<string, Node>, top: string | null): Generator<[string, Node]> {
  for (let chainId = top; chainId !== null;) {
    const layer = layers.get(chainId);
    if (!layer) return;
    yield [chainId, layer];
    chainId = layer.parent;
  }
}
