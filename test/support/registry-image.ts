import { execFileSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import { sha256 } from './image-archive';
import type { TestRegistry } from './registry';

export type Compression = 'none' | 'gzip' | 'zstd';
export type Format = 'oci' | 'docker';

export interface WantedImage {
  /** Tar archives, the lowest first. */
  layers: { tar: Buffer; compression?: Compression }[];
  format?: Format;
  architecture?: string;
  config?: Record<string, unknown>;
}

export interface Blob {
  mediaType: string;
  digest: string;
  size: number;
  bytes: Buffer;
}

/** An image as a registry has it. */
export interface RegistryImage {
  /** The id: the digest of its configuration. */
  id: string;
  config: Blob;
  layers: Blob[];
  manifest: Blob;
  architecture: string;
}

export const HOST_ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64';

const OCI = 'application/vnd.oci.image.';
const DOCKER = 'application/vnd.docker.';
const TYPES = {
  oci: {
    manifest: `${OCI}manifest.v1+json`,
    index: `${OCI}index.v1+json`,
    config: `${OCI}config.v1+json`,
    layers: { none: `${OCI}layer.v1.tar`, gzip: `${OCI}layer.v1.tar+gzip`, zstd: `${OCI}layer.v1.tar+zstd` },
  },
  docker: {
    manifest: `${DOCKER}distribution.manifest.v2+json`,
    index: `${DOCKER}distribution.manifest.list.v2+json`,
    config: `${DOCKER}container.image.v1+json`,
    layers: {
      none: `${DOCKER}image.rootfs.diff.tar`,
      gzip: `${DOCKER}image.rootfs.diff.tar.gzip`,
      zstd: `${DOCKER}image.rootfs.diff.tar.zstd`,
    },
  },
} as const;

export const blobOf = (mediaType: string, bytes: Buffer): Blob => ({
  mediaType,
  digest: `sha256:${sha256(bytes)}`,
  size: bytes.length,
  bytes,
});

export const descriptorOf = ({ mediaType, digest, size }: Blob) => ({ mediaType, digest, size });

export const jsonBlob = (mediaType: string, document: object): Blob =>
  blobOf(mediaType, Buffer.from(JSON.stringify(document)));

/** The documents and bytes of an image, which are nowhere yet. */
export function makeImage(wanted: WantedImage): RegistryImage {
  const types = TYPES[wanted.format ?? 'oci'];
  const architecture = wanted.architecture ?? HOST_ARCHITECTURE;
  const config = jsonBlob(types.config, {
    architecture,
    os: 'linux',
    created: '2020-01-02T03:04:05Z',
    config: { Env: ['PATH=/bin'], Cmd: ['sh'], ...wanted.config },
    rootfs: { type: 'layers', diff_ids: wanted.layers.map(({ tar }) => `sha256:${sha256(tar)}`) },
    history: wanted.layers.map((_, index) => ({ created_by: `step ${index}` })),
  });
  const layers = wanted.layers.map(({ tar, compression = 'gzip' }) =>
    blobOf(types.layers[compression], compressed(tar, compression)),
  );
  return {
    id: config.digest,
    config,
    layers,
    manifest: manifestOf(config, layers, wanted.format),
    architecture,
  };
}

export function manifestOf(config: Blob, layers: Blob[], format: Format = 'oci'): Blob {
  const mediaType = TYPES[format].manifest;
  return jsonBlob(mediaType, {
    schemaVersion: 2,
    mediaType,
    config: descriptorOf(config),
    layers: layers.map(descriptorOf),
  });
}

/** Makes an image and puts it into a registry under `reference`, `repository:tag`. */
export async function putImage(
  registry: TestRegistry,
  reference: string,
  wanted: WantedImage,
): Promise<RegistryImage> {
  const [repository = '', tag = ''] = reference.split(':');
  const image = makeImage(wanted);
  for (const { digest, bytes } of [image.config, ...image.layers]) {
    await registry.putBlob(repository, digest, bytes);
  }
  const { mediaType, bytes } = image.manifest;
  await registry.putManifest(repository, tag, mediaType, bytes);
  return image;
}

/** An index (or Docker's manifest list) of one image for each architecture. */
export async function putIndex(
  registry: TestRegistry,
  reference: string,
  images: WantedImage[],
  format: Format = 'oci',
): Promise<{ index: Blob; images: RegistryImage[] }> {
  const [repository = '', tag = ''] = reference.split(':');
  const made: RegistryImage[] = [];
  for (const [position, wanted] of images.entries()) {
    made.push(await putImage(registry, `${repository}:${tag}-${position}`, { format, ...wanted }));
  }
  const mediaType = TYPES[format].index;
  const index = jsonBlob(mediaType, {
    schemaVersion: 2,
    mediaType,
    manifests: made.map(({ manifest, architecture }) => ({
      ...descriptorOf(manifest),
      platform: { os: 'linux', architecture },
    })),
  });
  await registry.putManifest(repository, tag, mediaType, index.bytes);
  return { index, images: made };
}

function compressed(tar: Buffer, compression: Compression): Buffer {
  if (compression === 'none') return tar;
  if (compression === 'gzip') return gzipSync(tar, { level: 1 });
  return execFileSync('zstd', ['-q', '-1', '-c'], { input: tar, maxBuffer: 1024 ** 3 });
}
