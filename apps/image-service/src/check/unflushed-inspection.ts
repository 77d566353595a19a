import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { bootId } from '@gantry/shared/faults';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { ImageDatabase, type Layer } from '../database/image-database';
import { LayerArchive } from '../layers/layer-archive';
import { LayerDirectories } from '../layers/layer-directories';
import { Breath } from './breath';
import type { Finding, Inspection } from './finding';
import { LayerRepair } from './layer-repair';

/** Layers of builds that did not live to flush them. */
@Injectable()
export class UnflushedInspection implements Inspection {
  readonly subject = 'layers of builds';
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(LayerArchive) private readonly archive: LayerArchive,
    @Inject(LayerRepair) private readonly layerRepair: LayerRepair,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'mounts'>,
  ) {
    this.nodeId = config.nodeId;
  }

  async *inspect(): AsyncGenerator<Finding> {
    for (const { name } of this.directories.list()) {
      const since = this.directories.unflushedSince(name);
      if (since === undefined) continue;
      const isThisBoot = since === bootId();
      if (isThisBoot && this.directories.isBeingIndexed(name)) continue;
      const layer = await this.database.layer.findFirst({ where: { nodeId: this.nodeId, layerId: name } });
      if (!layer) continue;
      const mend = () => (isThisBoot ? this.flush(name) : this.verify(layer));
      const problem = isThisBoot
        ? 'was not flushed by a process that is gone'
        : 'was not on disk when the host went down';
      yield { kind: 'layer', id: layer.chainId, problem, mending: { by: 'sweep', mend } };
    }
  }

  private async flush(layerId: string): Promise<string> {
    await this.linux.mounts.syncfs(this.directories.path(layerId));
    this.directories.markFlushed(layerId);
    return 'flushed';
  }

  /** What has come to disk all the same is as good as any. */
  private async verify(layer: Layer): Promise<string | undefined> {
    const breath = new Breath();
    try {
      const bytes = this.archive.read(layer);
      while (!(await bytes.next()).done) await breath.take();
    } catch {
      return this.layerRepair.repair(layer);
    }
    return this.flush(layer.layerId);
  }
}
