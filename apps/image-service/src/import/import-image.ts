import { statSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { applyChanges } from '../changes/apply-changes';
import { type ImageConfig, parsePlatform } from '../images/image-config';
import { ImageStore } from '../images/image-store';
import { LayerIntake } from '../layers/layer-intake';
import { parseRepositoryAndTag } from '../references/reference';

export interface ImportOptions {
  /** Empty: no name. */
  repository: string;
  tag: string;
  /** Empty: dockerd's own words. */
  message: string;
  changes: string[];
  platform: string;
  created: Date;
}

/** `docker import`: a root file system becomes an image of one layer. */
@Injectable()
export class ImportImage {
  constructor(
    @Inject(LayerIntake) private readonly intake: LayerIntake,
    @Inject(ImageStore) private readonly images: ImageStore,
  ) {}

  /** Returns the id. The same upload with the same options, `created` among them, gives the same image. */
  async import(upload: string, options: ImportOptions): Promise<string> {
    // Refused before anything is unpacked.
    const name =
      options.repository === '' ? undefined : parseRepositoryAndTag(options.repository, options.tag);
    const platform = parsePlatform(options.platform);
    const config = applyChanges({}, options.changes);
    const layer = await this.intake.take({ path: upload, offset: 0, size: statSync(upload).size }, undefined);

    const created = options.created.toISOString();
    const comment = options.message || 'Imported from -';
    const document: ImageConfig = {
      architecture: platform.architecture,
      ...(platform.variant && { variant: platform.variant }),
      os: platform.os,
      created,
      comment,
      config,
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
      history: [{ created, comment }],
    };
    const id = await this.images.create(Buffer.from(JSON.stringify(document)), [layer]);
    if (name) await this.images.tag(id, name);
    await this.images.announce(id, 'import', id);
    return id;
  }
}
