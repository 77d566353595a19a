import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { BlobStore } from '../blobs/blob-store';
import { type Image, ImageDatabase } from '../database/image-database';
import type { Descriptor, DescriptorPlatform } from '../manifests/manifest';
import {
  attestedBy,
  descriptorOf,
  type KeptManifest,
  ManifestCatalog,
  type Manifests,
} from '../manifests/manifest-catalog';
import { isIndexType } from '../manifests/media-types';
import { parseImageConfig } from './image-config';
import type { ImageReferences } from './image-store';

/** API: Identity, as far as it can be told: nobody verifies signatures here yet, and images are not built here. */
export interface Identity {
  Pull: { Repository: string }[];
}

/** API: ImageManifestSummary. Sizes in bytes. */
export interface ManifestSummary {
  ID: string;
  Descriptor: Descriptor;
  Available: boolean;
  Size: { Content: number; Total: number };
  Kind: 'image' | 'attestation' | 'unknown';
  ImageData?: {
    Platform: Partial<DescriptorPlatform>;
    Identity?: Identity;
    Containers: string[];
    Size: { Unpacked: number };
  };
  AttestationData?: { For: string };
}

/** What the summaries of one answer are made from. */
export interface ManifestSources {
  manifests: Manifests;
  images: ReadonlyMap<string, Image>;
  /** Ids of containers by image id. */
  containers: ReadonlyMap<string, string[]>;
}

/** What an image is in the registries that it came from, or was sent to. */
@Injectable()
export class ImageManifests {
  private readonly nodeId: string;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(ImageDatabase) private readonly database: ImageDatabase,
    @Inject(ManifestCatalog) private readonly catalog: ManifestCatalog,
    @Inject(BlobStore) private readonly blobs: BlobStore,
  ) {
    this.nodeId = config.nodeId;
  }

  async sources(): Promise<ManifestSources> {
    const where = { nodeId: this.nodeId };
    const [manifests, images, snapshots] = await Promise.all([
      this.catalog.read(),
      this.database.image.findMany({ where }),
      this.database.snapshot.findMany({ where, orderBy: { createdAt: 'asc' } }),
    ]);
    const containers = new Map<string, string[]>();
    for (const { imageId, containerId } of snapshots) {
      containers.set(imageId, [...(containers.get(imageId) ?? []), containerId]);
    }
    return { manifests, images: new Map(images.map((image) => [image.id, image])), containers };
  }

  /** One for each manifest of the image's index, here or not. undefined where the image has no manifest. */
  summaries(
    imageId: string,
    sources: ManifestSources,
    identity: Identity | undefined,
  ): ManifestSummary[] | undefined {
    const target = sources.manifests.targetOf(imageId);
    if (!target) return undefined;
    const { index, manifest } = target;
    const descriptors = index?.parsed.kind === 'index' ? index.parsed.manifests : [descriptorOf(manifest)];
    return descriptors.map((descriptor) => this.summarize(descriptor, sources, identity));
  }

  private summarize(
    descriptor: Descriptor,
    sources: ManifestSources,
    identity: Identity | undefined,
  ): ManifestSummary {
    const kept = sources.manifests.find(descriptor.digest);
    const attested = attestedBy(descriptor);
    const image = kept?.imageId && attested === undefined ? sources.images.get(kept.imageId) : undefined;
    const content = kept ? this.contentSize(kept) : 0;
    const unpacked = Number(image?.size ?? 0n);
    const base = {
      ID: descriptor.digest,
      Descriptor: descriptor,
      Size: { Content: content, Total: content + unpacked },
    };
    if (attested !== undefined) {
      const Available = kept !== undefined && this.hasLayers(kept);
      return { ...base, Available, Kind: 'attestation', AttestationData: { For: attested } };
    }
    const isOther = isIndexType(descriptor.mediaType) || (kept !== undefined && !image);
    if (isOther) return { ...base, Available: false, Kind: 'unknown' };
    return {
      ...base,
      Available: image !== undefined,
      Kind: 'image',
      ImageData: {
        Platform: descriptor.platform ?? (image ? platformOf(image) : {}),
        ...(identity && { Identity: identity }),
        Containers: sources.containers.get(image?.id ?? '') ?? [],
        Size: { Unpacked: unpacked },
      },
    };
  }

  /** Bytes of the manifest, its configuration and those of its layers that are kept as blobs. */
  private contentSize({ size, parsed }: KeptManifest): number {
    if (parsed.kind === 'index') return size;
    const digests = new Set([parsed.config.digest, ...parsed.layers.map((layer) => layer.digest)]);
    return [...digests].reduce((sum, digest) => sum + (this.blobs.size(digest) ?? 0), size);
  }

  private hasLayers({ parsed }: KeptManifest): boolean {
    return parsed.kind === 'manifest' && parsed.layers.every(({ digest }) => this.blobs.has(digest));
  }
}

/** The repositories an image was pulled from or pushed to. */
export function identityOf({ digests }: ImageReferences): Identity | undefined {
  const repositories = [...new Set(digests.map(({ repository }) => repository))];
  return repositories.length === 0 ? undefined : { Pull: repositories.map((Repository) => ({ Repository })) };
}

function platformOf(image: Image): Partial<DescriptorPlatform> {
  const { os = '', architecture = '', variant, ...more } = parseImageConfig(image.config);
  return {
    architecture,
    os,
    ...(more['os.version'] && { 'os.version': more['os.version'] }),
    ...(variant && { variant }),
  };
}
