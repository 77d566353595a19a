import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { messageOf } from '@gantry/shared/errors';
import { BlobStore, digestOf } from '../blobs/blob-store';
import { ImageDatabase } from '../database/image-database';
import { ManifestStore } from '../manifests/manifest-store';
import { Breath } from './breath';
import {
  before,
  type Finding,
  type Inspection,
  type OnProgress,
  SETTLED_MS,
  UNREFERENCED_MS,
} from './finding';
import { ImageDropping } from './image-dropping';

type Owner = { kind: 'image' | 'manifest' | 'layer'; size?: number };

/** The blobs against the rows that refer to them, and with `verify` their bytes against their digests. */
@Injectable()
export class BlobInspection implements Inspection {
  readonly subject = 'blobs';
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
    @Inject(ImageDropping) private readonly dropping: ImageDropping,
  ) {
    this.nodeId = config.nodeId;
  }

  async *inspect(): AsyncGenerator<Finding> {
    // Before the rows: a blob may be there before its row, never longer than it takes to refer to it.
    const files = this.blobs.list();
    const owners = await this.owners();
    for (const { name, digest, ageMs } of files) {
      if (digest === undefined && ageMs > SETTLED_MS) yield this.stray(name);
      else if (digest !== undefined && !owners.has(digest) && ageMs > UNREFERENCED_MS)
        yield this.orphan(digest);
    }
    for (const [digest, owner] of owners) {
      const size = this.blobs.size(digest);
      // Whatever is removed loses its row first.
      if (size === undefined && (await this.ownerOf(digest))) yield this.broken(digest, owner, 'is missing');
      else if (size !== undefined && owner.size !== undefined && size !== owner.size) {
        yield this.broken(digest, owner, `has ${size} bytes instead of ${owner.size}`);
      }
    }
  }

  /** Hashes every blob that something refers to. */
  async *verify(onProgress: OnProgress): AsyncGenerator<Finding> {
    const owners = [...(await this.owners())];
    for (const [index, [digest, owner]] of owners.entries()) {
      await onProgress({ subject: this.subject, current: index, total: owners.length });
      const size = this.blobs.size(digest);
      // Told already.
      if (size === undefined || (owner.size !== undefined && size !== owner.size)) continue;
      const found = await this.hash(digest);
      if (found !== digest && this.blobs.has(digest)) {
        yield this.broken(digest, owner, `is corrupt: ${found}`);
      }
    }
    await onProgress({ subject: this.subject, current: owners.length, total: owners.length });
  }

  private async hash(digest: string): Promise<string> {
    const hash = createHash('sha256');
    const breath = new Breath();
    try {
      for await (const chunk of this.blobs.read(digest)) {
        hash.update(chunk as Buffer);
        await breath.take();
      }
    } catch (error) {
      return messageOf(error);
    }
    return `sha256:${hash.digest('hex')}`;
  }

  private async owners(): Promise<Map<string, Owner>> {
    const query = { where: { nodeId: this.nodeId } };
    const [images, manifests, layers] = await Promise.all([
      this.database.image.findMany({ ...query, select: { id: true } }),
      this.database.manifest.findMany({ ...query, select: { digest: true } }),
      this.database.layerBlob.findMany({ ...query, select: { digest: true, size: true } }),
    ]);
    return new Map<string, Owner>([
      ...layers.map(({ digest, size }) => [digest, { kind: 'layer', size: Number(size) }] as const),
      ...manifests.map(({ digest }) => [digest, { kind: 'manifest' }] as const),
      ...images.map(({ id }) => [id, { kind: 'image' }] as const),
    ]);
  }

  private async ownerOf(digest: string): Promise<boolean> {
    const where = { nodeId: this.nodeId, digest };
    const counts = await Promise.all([
      this.database.image.count({ where: { nodeId: this.nodeId, id: digest } }),
      this.database.manifest.count({ where }),
      this.database.layerBlob.count({ where }),
    ]);
    return counts.some((count) => count > 0);
  }

  private stray(name: string): Finding {
    const mend = async () => {
      await this.blobs.removeStray(name);
      return 'removed';
    };
    return { kind: 'blob', id: name, problem: 'is no blob', mending: { by: 'repair', mend } };
  }

  private orphan(digest: string): Finding {
    const mend = async () =>
      this.blobs.dismiss(digest, before(UNREFERENCED_MS)) ? 'removed' : 'is used by now';
    return { kind: 'blob', id: digest, problem: 'is referred to by nothing', mending: { by: 'sweep', mend } };
  }

  private broken(digest: string, { kind }: Owner, problem: string): Finding {
    const mend = () => this.mendAs(kind, digest);
    return {
      kind: 'blob',
      id: digest,
      problem,
      mending: { by: kind === 'image' ? 'repair' : 'sweep', mend },
    };
  }

  private async mendAs(kind: Owner['kind'], digest: string): Promise<string | undefined> {
    if (kind === 'image') return this.mendImage(digest);
    if (kind === 'manifest') return this.mendManifest(digest);
    await this.manifests.dropLayerBlob(digest);
    this.blobs.dismiss(digest, new Date());
    return 'dropped: it is made again when it is needed';
  }

  private async mendImage(id: string): Promise<string | undefined> {
    const image = await this.database.image.findUnique({ where: { nodeId_id: { nodeId: this.nodeId, id } } });
    if (!image) return 'the image is gone';
    if (digestOf(image.config) === id) {
      this.blobs.write(image.config, id);
      return 'written again';
    }
    const names = await this.dropping.dropImage(image);
    return names.length > 0
      ? `dropped ${names.join(', ')}, whose configuration is lost: pull or load it again`
      : undefined;
  }

  private async mendManifest(digest: string): Promise<string | undefined> {
    const manifest = await this.manifests.find(digest);
    if (!manifest) return 'the manifest is gone';
    if (digestOf(manifest.document) === digest) {
      this.blobs.write(manifest.document, digest);
      return 'written again';
    }
    await this.database.manifest.deleteMany({ where: { nodeId: this.nodeId, digest } });
    this.blobs.dismiss(digest, new Date());
    return 'dropped';
  }
}
