import { readFileSync } from 'node:fs';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { hasCode } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { BlobStore, digestOf } from '../blobs/blob-store';
import { NodeCheck } from '../check/node-check';
import { ImageDatabase } from '../database/image-database';
import { ImageRecords, type Records } from './image-records';

type Bytes = Uint8Array<ArrayBuffer>;

/** Makes the rows of images again when Postgres was lost, before anybody is answered and anything is swept. */
@Injectable()
export class RestoreImages implements OnModuleInit {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(ImageRecords) private readonly records: ImageRecords,
    @Inject(NodeCheck) private readonly check: NodeCheck,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.nodeId = config.nodeId;
  }

  async onModuleInit(): Promise<void> {
    const { nodeId } = this;
    const records = this.records.read();
    const isKnown = (await this.database.node.count({ where: { nodeId } })) > 0;
    if (!isKnown && records) await this.restore(records);
    else if (!isKnown) await this.database.node.createMany(this.itself());
    if (!records) await this.records.saved();
  }

  private async restore(records: Records): Promise<void> {
    await this.check.indexDirectories();
    const layers = await this.database.layer.findMany({
      where: { nodeId: this.nodeId },
      select: { chainId: true },
    });
    const chainIds = new Set(layers.map(({ chainId }) => chainId));
    const { nodeId } = this;
    const images = records.images.flatMap(({ size, createdAt, addedAt, lastTaggedAt, ...image }) => {
      const config = this.blob(image.id);
      if (!config || (image.topChainId !== null && !chainIds.has(image.topChainId))) return [];
      const times = {
        createdAt: new Date(createdAt),
        addedAt: new Date(addedAt),
        lastTaggedAt: lastTaggedAt === null ? null : new Date(lastTaggedAt),
      };
      return [{ ...image, ...times, nodeId, config, size: BigInt(size) }];
    });
    const ids = new Set(images.map(({ id }) => id));
    const manifests = records.manifests.flatMap((manifest) => {
      const document = this.blob(manifest.digest);
      return document ? [{ ...manifest, nodeId, document }] : [];
    });
    const ofNode = <T extends { imageId: string }>(names: T[]) =>
      names.filter(({ imageId }) => ids.has(imageId)).map((name) => ({ ...name, nodeId }));
    const layerBlobs = records.layerBlobs
      .filter(({ digest }) => this.blobs.has(digest))
      .map((blob) => ({ ...blob, nodeId, size: BigInt(blob.size) }));
    // Together or not at all: a half would look like the whole at the next start.
    const skipDuplicates = true;
    await this.database.$transaction([
      this.database.node.createMany(this.itself()),
      this.database.image.createMany({ data: images, skipDuplicates }),
      this.database.tag.createMany({ data: ofNode(records.tags), skipDuplicates }),
      this.database.imageDigest.createMany({ data: ofNode(records.digests), skipDuplicates }),
      this.database.manifest.createMany({ data: manifests, skipDuplicates }),
      this.database.layerBlob.createMany({ data: layerBlobs, skipDuplicates }),
    ]);
    const counts = { images: images.length, lost: records.images.length - images.length };
    this.logger.warn(counts, 'the index did not know this node: images are restored from their records');
  }

  private itself() {
    return { data: [{ nodeId: this.nodeId }], skipDuplicates: true };
  }

  /** undefined where it is missing or broken. */
  private blob(digest: string): Bytes | undefined {
    try {
      const bytes = Uint8Array.from(readFileSync(this.blobs.path(digest)));
      return digestOf(bytes) === digest ? bytes : undefined;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
}
