import { EngineError, invalidArgument, notFound } from '@gantry/shared/errors';
import { hostPlatform, parseImageConfig, type Platform } from '../images/image-config';
import { type Descriptor, type ImageManifest, parseManifest } from '../manifests/manifest';
import { isConfigType } from '../manifests/media-types';
import { chooseManifest, platformText } from '../manifests/platform-choice';
import { digestOf } from '../blobs/blob-store';
import type { FetchedManifest, Repository } from '../registry/registry';

/** What a tag or a digest of a registry stands for, on one platform. */
export interface ResolvedImage {
  /** What was asked for: the manifest itself, or the outermost index. */
  root: FetchedManifest;
  /** All indexes on the way, the outermost first. */
  indexes: FetchedManifest[];
  fetched: FetchedManifest;
  manifest: ImageManifest;
  config: Buffer;
  /** sha256 of the configuration. */
  imageId: string;
}

type Source = Pick<Repository, 'manifest' | 'blob'>;

const MAX_NESTING = 4;
/** Bytes. */
const MAX_CONFIG = 8 * 1024 * 1024;

/** The documents of an image, each verified. @throws NotFound where no manifest is for the platform */
export async function resolveImage(
  repository: Source,
  reference: string,
  platform: Platform | undefined,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const root = await repository.manifest(reference, { signal });
  const indexes: FetchedManifest[] = [];
  let fetched = root;
  for (;;) {
    const parsed = parseManifest(fetched.bytes, fetched.mediaType);
    if (parsed.kind === 'manifest') {
      const config = await fetchConfig(repository, parsed, signal);
      return { root, indexes, fetched, manifest: parsed, config, imageId: parsed.config.digest };
    }
    indexes.push(fetched);
    if (indexes.length > MAX_NESTING) throw invalidArgument('invalid index: too many levels');
    const wanted = platform ?? hostPlatform();
    const chosen = chooseManifest(parsed.manifests, wanted);
    if (!chosen) {
      throw notFound(`no matching manifest for ${platformText(wanted)} in the manifest list entries`);
    }
    fetched = await fetchChild(repository, chosen, signal);
  }
}

async function fetchChild(
  repository: Source,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<FetchedManifest> {
  const child = await repository.manifest(descriptor.digest, { signal });
  if (child.bytes.length !== descriptor.size) {
    throw invalidArgument(
      `manifest ${descriptor.digest} has ${child.bytes.length} bytes, but ${descriptor.size} in the index`,
    );
  }
  return child;
}

async function fetchConfig(
  repository: Source,
  { config, layers }: ImageManifest,
  signal: AbortSignal,
): Promise<Buffer> {
  if (!isConfigType(config.mediaType)) {
    throw invalidArgument(`unsupported media type ${config.mediaType}: this is no container image`);
  }
  if (config.size > MAX_CONFIG)
    throw invalidArgument(`image configuration is too large: ${config.size} bytes`);
  const bytes = await readBlob(repository, config, signal);
  if (!bytes) throw invalidArgument(`image config verification failed for digest ${config.digest}`);
  checkConfig(bytes, layers.length);
  return bytes;
}

/** A small blob in one piece; undefined where it is not what the descriptor says. */
export async function readBlob(
  repository: Pick<Source, 'blob'>,
  { digest, size }: Descriptor,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const { body } = await repository.blob(digest, { from: 0 }, { signal });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > size) break;
      chunks.push(chunk);
    }
  } finally {
    body.destroy();
  }
  const bytes = Buffer.concat(chunks);
  return length === size && digestOf(bytes) === digest ? bytes : undefined;
}

function checkConfig(bytes: Buffer, layers: number): void {
  const { rootfs } = parse(bytes);
  if (rootfs.diff_ids.length !== layers) {
    throw invalidArgument(
      `layers from manifest don't match image configuration: ${layers} and ${rootfs.diff_ids.length}`,
    );
  }
}

function parse(bytes: Buffer) {
  try {
    return parseImageConfig(bytes);
  } catch (error) {
    const reason = error instanceof EngineError ? error.message : 'no JSON';
    throw invalidArgument(`invalid image configuration: ${reason}`, error);
  }
}
