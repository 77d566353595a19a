import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { ImageDatabase } from '../database/image-database';
import { type Descriptor, type ImageIndex, type ImageManifest, parseManifest } from './manifest';
import { isIndexType, isManifestType } from './media-types';

/** A manifest or an index that is kept here. */
export interface KeptManifest {
  digest: string;
  mediaType: string;
  /** Bytes of the document. */
  size: number;
  /** The image it describes, or is attached to; none for an index. */
  imageId: string | null;
  parsed: ImageManifest | ImageIndex;
}

/** By which manifest an image is known, and the index that it was chosen from. */
export interface ImageTarget {
  manifest: KeptManifest;
  index?: KeptManifest;
}

/** All manifests of the node at one moment. */
export class Manifests {
  private readonly byDigest = new Map<string, KeptManifest>();
  private readonly byImage = new Map<string, KeptManifest[]>();
  /** Indexes by the manifests they name. */
  private readonly naming = new Map<string, KeptManifest>();

  /** Oldest first. */
  constructor(kept: KeptManifest[]) {
    for (const manifest of kept) {
      const { digest, parsed, imageId } = manifest;
      this.byDigest.set(digest, manifest);
      if (parsed.kind === 'index') {
        for (const child of parsed.manifests) this.naming.set(child.digest, manifest);
      } else if (imageId !== null && parsed.config.digest === imageId) {
        this.byImage.set(imageId, [...(this.byImage.get(imageId) ?? []), manifest]);
      }
    }
  }

  find(digest: string): KeptManifest | undefined {
    return this.byDigest.get(digest);
  }

  /** The oldest manifest of the image, preferably one that an index names; undefined: it was never in a registry. */
  targetOf(imageId: string): ImageTarget | undefined {
    const own = this.byImage.get(imageId) ?? [];
    const manifest = own.find(({ digest }) => this.naming.has(digest)) ?? own[0];
    return manifest && { manifest, index: this.naming.get(manifest.digest) };
  }
}

/** Reads the manifests of this node; documents are parsed once, for they cannot change. */
@Injectable()
export class ManifestCatalog {
  private readonly nodeId: string;
  private readonly known = new Map<string, KeptManifest['parsed'] | undefined>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
  ) {
    this.nodeId = config.nodeId;
  }

  async read(): Promise<Manifests> {
    const rows = await this.database.$queryRaw<Omit<KeptManifest, 'parsed'>[]>`
      SELECT digest, media_type AS "mediaType", octet_length(document) AS size, image_id AS "imageId"
      FROM manifests WHERE node_id = ${this.nodeId} ORDER BY created_at, digest`;
    const present = new Set(rows.map((row) => row.digest));
    for (const digest of this.known.keys()) if (!present.has(digest)) this.known.delete(digest);
    await this.parse(rows.map((row) => row.digest).filter((digest) => !this.known.has(digest)));
    const kept = rows.flatMap((row) => {
      const parsed = this.known.get(row.digest);
      return parsed ? [{ ...row, parsed }] : [];
    });
    return new Manifests(kept);
  }

  private async parse(digests: string[]): Promise<void> {
    if (digests.length === 0) return;
    const rows = await this.database.manifest.findMany({
      where: { nodeId: this.nodeId, digest: { in: digests } },
    });
    for (const { digest, mediaType, document } of rows) {
      // Statements of attestations are kept beside the manifests, and are none.
      const isManifest = isIndexType(mediaType) || isManifestType(mediaType);
      this.known.set(digest, isManifest ? parseManifest(document, mediaType) : undefined);
    }
  }
}

/** API: OCIDescriptor. */
export function descriptorOf({ digest, mediaType, size }: KeptManifest): Descriptor {
  return { mediaType, digest, size };
}

/** The manifest that an attestation manifest is about (BuildKit, attestation-storage); undefined: it is none. */
export function attestedBy({ annotations }: Descriptor): string | undefined {
  if (annotations?.['vnd.docker.reference.type'] !== 'attestation-manifest') return undefined;
  return annotations['vnd.docker.reference.digest'];
}
