import { invalidArgument } from '@gantry/shared/errors';
import { digestOf } from '../blobs/blob-store';
import { matchesPlatform, parseImageConfig, type Platform } from '../images/image-config';
import { isDigest } from '../references/reference';
import type { ArchiveIndex } from '../tar/archive-index';

/** One image of an archive. */
export interface ArchivedImage {
  config: Buffer;
  diffIds: string[];
  /** Members of the archive, lowest layer first, one for each diff id. */
  layers: { member: string; digest?: string }[];
  /** Names as the archive has them. */
  names: string[];
}

interface DockerManifest {
  Config: string;
  RepoTags?: string[] | null;
  Layers?: string[] | null;
}

interface Descriptor {
  mediaType?: string;
  digest: string;
  annotations?: Record<string, string>;
}

const NAME_ANNOTATIONS = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
const MAX_NESTING = 4;

/**
 * The images of a docker-archive (manifest.json) or else of an OCI layout (index.json; OCI image-spec, image-layout.md).
 * @throws InvalidArgument for what is neither.
 */
export function imagesOfArchive(archive: ArchiveIndex, platform: Platform | undefined): ArchivedImage[] {
  if (archive.find('manifest.json')) return fromDockerArchive(archive, platform);
  if (archive.find('index.json')) return fromOciLayout(archive, platform);
  throw invalidArgument('invalid archive: does not contain a manifest.json');
}

function fromDockerArchive(archive: ArchiveIndex, platform: Platform | undefined): ArchivedImage[] {
  const manifests = parse<DockerManifest[]>(archive, 'manifest.json');
  if (!Array.isArray(manifests)) throw invalidArgument('invalid manifest.json');
  return manifests.flatMap((manifest) => {
    if (typeof manifest?.Config !== 'string') throw invalidArgument('invalid manifest.json');
    const layers = (manifest.Layers ?? []).map((member) => ({ member }));
    const image = describe(archive.read(manifest.Config), layers, manifest.RepoTags ?? []);
    return wanted(image, platform) ? [image] : [];
  });
}

function fromOciLayout(archive: ArchiveIndex, platform: Platform | undefined): ArchivedImage[] {
  const index = parse<{ manifests?: Descriptor[] }>(archive, 'index.json');
  const images = manifestsOf(index).flatMap((descriptor) => ociImages(archive, descriptor, platform, 0));
  if (images.length === 0) throw invalidArgument('invalid archive: no image for this platform in index.json');
  return images;
}

function ociImages(
  archive: ArchiveIndex,
  descriptor: Descriptor,
  platform: Platform | undefined,
  depth: number,
): ArchivedImage[] {
  if (depth > MAX_NESTING) throw invalidArgument('invalid index.json: too many levels');
  const document = parse<{
    manifests?: Descriptor[];
    config?: Descriptor;
    layers?: Descriptor[];
  }>(archive, blob(descriptor));
  if (document.manifests && (document.config || document.layers)) {
    throw invalidArgument('ambiguous manifest: both manifests and layers');
  }
  if (document.manifests) {
    return manifestsOf(document).flatMap((child) => {
      const annotations = { ...descriptor.annotations, ...child.annotations };
      return ociImages(archive, { ...child, annotations }, platform, depth + 1);
    });
  }
  if (!document.config || !Array.isArray(document.layers)) throw invalidArgument('invalid image manifest');
  // Attestations and other artifacts lie beside the images.
  if (!/(oci\.image\.config|docker\.container\.image)\.v1\+json$/.test(document.config.mediaType ?? ''))
    return [];
  const layers = document.layers.map((layer) => ({ member: blob(layer), digest: layer.digest }));
  const names = NAME_ANNOTATIONS.map((key) => descriptor.annotations?.[key]).filter((name) =>
    name?.includes(':'),
  );
  const config = archive.read(blob(document.config));
  if (digestOf(config) !== document.config.digest) {
    throw invalidArgument(`image configuration is ${digestOf(config)}, not ${document.config.digest}`);
  }
  const image = describe(config, layers, names.slice(0, 1) as string[]);
  return wanted(image, platform) ? [image] : [];
}

function describe(config: Buffer, layers: ArchivedImage['layers'], names: string[]): ArchivedImage {
  const diffIds = parseImageConfig(config).rootfs.diff_ids;
  if (diffIds.length !== layers.length) {
    throw invalidArgument(
      `invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${layers.length}`,
    );
  }
  return { config, diffIds, layers, names };
}

function wanted(image: ArchivedImage, platform: Platform | undefined): boolean {
  return platform === undefined || matchesPlatform(parseImageConfig(image.config), platform);
}

function manifestsOf(index: { manifests?: Descriptor[] }): Descriptor[] {
  if (!Array.isArray(index.manifests)) throw invalidArgument('invalid index.json');
  return index.manifests;
}

function blob(descriptor: Descriptor): string {
  if (typeof descriptor?.digest !== 'string' || !isDigest(descriptor.digest)) {
    throw invalidArgument('invalid descriptor in the archive');
  }
  return `blobs/${descriptor.digest.replace(':', '/')}`;
}

function parse<T>(archive: ArchiveIndex, name: string): T {
  const text = archive.read(name).toString('utf8');
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw invalidArgument(`invalid ${name}`, error);
  }
}
