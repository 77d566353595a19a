import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { dataLoss } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { readGzipped } from './gzipped-file';
import { LayerDirectories } from './layer-directories';
import { LAYER_SPLIT, LAYER_TAR } from './layer-files';
import type { StoredLayer } from './layer-store';
import { reassemble } from './tar-split';

/** Makes the archive of a layer again, byte for byte what it was unpacked from. */
@Injectable()
export class LayerArchive {
  constructor(
    @Inject(LayerDirectories) private readonly directories: LayerDirectories,
    @Inject(LINUX) private readonly linux: Linux,
  ) {}

  /** @throws DataLoss at the end, where the bytes are not those that the diff id names. */
  async *read(layer: StoredLayer): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    for await (const chunk of this.bytes(layer.layerId)) {
      hash.update(chunk);
      yield chunk;
    }
    const found = `sha256:${hash.digest('hex')}`;
    if (found !== layer.diffId)
      throw dataLoss(`layer ${layer.diffId} was changed on disk: it is ${found} now`);
  }

  private bytes(layerId: string): AsyncIterable<Buffer> {
    const kept = this.directories.path(layerId, LAYER_TAR);
    if (existsSync(kept)) return readGzipped(kept);
    return reassemble(
      this.linux,
      this.directories.path(layerId, LAYER_SPLIT),
      this.directories.diff(layerId),
    );
  }
}
