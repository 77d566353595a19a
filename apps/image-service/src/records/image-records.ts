import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { hasCode } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { BlobStore } from '../blobs/blob-store';
import { ImageDatabase } from '../database/image-database';
import { syncDirectory } from '../sync-directory';

/** What the index knows of images and the disk would not: all but the bytes, which are blobs. */
export interface Records {
  images: {
    id: string;
    topChainId: string | null;
    parentId: string | null;
    /** Bytes; a number of arbitrary length. */
    size: string;
    /** ISO 8601, like the others. */
    createdAt: string;
    addedAt: string;
    lastTaggedAt: string | null;
  }[];
  tags: { repository: string; tag: string; imageId: string }[];
  digests: { repository: string; digest: string; imageId: string }[];
  manifests: { digest: string; mediaType: string; imageId: string | null }[];
  layerBlobs: { digest: string; diffId: string; mediaType: string; size: string }[];
}

/** Of the advisory lock, together with the node's name. */
const LOCK = 0x67_61_6e_74;

/**
 * `<data root>/image/records.json`: a copy of the rows of images and their names, written behind every change by whichever
 * process has made it. Postgres decides, since several processes share it; the copy is for when Postgres is lost.
 */
@Injectable()
export class ImageRecords implements OnApplicationShutdown {
  private readonly nodeId: string;
  private readonly directory: string;
  private saving: Promise<void> = Promise.resolve();
  private isQueued = false;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.nodeId = config.nodeId;
    this.directory = join(config.dataRoot, 'image');
  }

  /** The index has changed. Nobody waits for the copy; changes that come meanwhile are one more writing. */
  changed(): void {
    void this.saved();
  }

  /** Resolves when what is in the index by now is on disk, or could not be written: the next change tries again. */
  saved(): Promise<void> {
    if (this.isQueued) return this.saving;
    this.isQueued = true;
    this.saving = this.saving.then(async () => {
      this.isQueued = false;
      try {
        await this.save();
      } catch (error) {
        this.logger.warn({ reason: messageOf(error) }, 'the records of images are not up to date');
      }
    });
    return this.saving;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.saving;
  }

  /** undefined where there is no copy, or none that can be read. */
  read(): Records | undefined {
    try {
      return JSON.parse(readFileSync(this.path, 'utf8')) as Records;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      this.logger.error({ err: error }, 'the records of images cannot be read');
      return undefined;
    }
  }

  private get path(): string {
    return join(this.directory, 'records.json');
  }

  /** Under a lock that all processes of the node share: who reads the index last is also the last to write. */
  private async save(): Promise<void> {
    await this.database.$transaction(async (locked) => {
      await locked.$executeRaw`SELECT pg_advisory_xact_lock(${LOCK}::int, hashtext(${this.nodeId}))`;
      const query = { where: { nodeId: this.nodeId } };
      const images = await locked.image.findMany({ ...query, omit: { config: true, nodeId: true } });
      const omit = { nodeId: true } as const;
      const records: Records = {
        images: images.map((image) => ({
          ...image,
          size: String(image.size),
          createdAt: image.createdAt.toISOString(),
          addedAt: image.addedAt.toISOString(),
          lastTaggedAt: image.lastTaggedAt?.toISOString() ?? null,
        })),
        tags: await locked.tag.findMany({ ...query, omit }),
        digests: await locked.imageDigest.findMany({ ...query, omit }),
        manifests: await locked.manifest.findMany({
          ...query,
          select: { digest: true, mediaType: true, imageId: true },
        }),
        layerBlobs: (
          await locked.layerBlob.findMany({
            ...query,
            select: { digest: true, diffId: true, mediaType: true, size: true },
          })
        ).map((blob) => ({ ...blob, size: String(blob.size) })),
      };
      this.write(Buffer.from(JSON.stringify(records)));
    });
  }

  private write(bytes: Buffer): void {
    const temporary = this.blobs.ownPath('job');
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, this.path);
    syncDirectory(this.directory);
  }
}
