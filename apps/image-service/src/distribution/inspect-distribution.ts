import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument, isKind, unauthorized } from '@gantry/shared/errors';
import { digestOf } from '../blobs/blob-store';
import { type DescriptorPlatform, type ImageManifest, parseManifest } from '../manifests/manifest';
import { isConfigType } from '../manifests/media-types';
import { parseAny, withDefaultTag } from '../references/reference';
import { readBody } from '../registry/body';
import {
  type ManifestDescriptor,
  REGISTRIES,
  type Registries,
  type RegistryCredentials,
  type Repository,
} from '../registry/registry';

/** API: DistributionInspect. */
export interface DistributionDocument {
  Descriptor: ManifestDescriptor;
  Platforms: DescriptorPlatform[];
}

/** Bytes. */
const MAX_CONFIG = 8 * 1024 * 1024;

/** GET /distribution/{name}/json: what a registry has under a name, without pulling it. */
@Injectable()
export class InspectDistribution {
  constructor(@Inject(REGISTRIES) private readonly registries: Registries) {}

  /** @throws Unauthorized where the registry shows nobody, or nobody of this name, what it has (as the API says) */
  async inspect(text: string, credentials: RegistryCredentials | undefined): Promise<DistributionDocument> {
    const reference = parseAny(text);
    if (reference.kind === 'id') throw invalidArgument(`unknown image reference format: ${text}`);
    const name = withDefaultTag(reference.name);
    const repository = this.registries.repository(name.repository, credentials, 'pull');
    try {
      const fetched = await repository.manifest(name.digest ?? name.tag ?? '');
      const { bytes, mediaType, digest } = fetched;
      const parsed = parseManifest(bytes, mediaType);
      const platforms =
        parsed.kind === 'index'
          ? parsed.manifests.flatMap(({ platform }) => platform ?? [])
          : [await platformOf(repository, parsed)].flatMap((platform) => platform ?? []);
      const descriptor = { mediaType: parsed.mediaType, digest, size: bytes.length };
      return { Descriptor: descriptor, Platforms: platforms };
    } catch (error) {
      if (isKind(error, 'NotFound') && /access denied|unauthorized|denied/.test((error as Error).message)) {
        throw unauthorized((error as Error).message, error);
      }
      throw error;
    }
  }
}

/** An image says it in its configuration; of an artifact nothing is known. */
async function platformOf(
  repository: Repository,
  { config }: ImageManifest,
): Promise<DescriptorPlatform | undefined> {
  if (!isConfigType(config.mediaType) || config.size > MAX_CONFIG) return undefined;
  const { body } = await repository.blob(config.digest, { from: 0 });
  const bytes = await readBody(body, config.size);
  if (digestOf(bytes) !== config.digest) {
    throw invalidArgument(`image config verification failed for digest ${config.digest}`);
  }
  const { os, architecture, variant } = JSON.parse(bytes.toString('utf8')) as Partial<DescriptorPlatform>;
  if (!os || !architecture) return undefined;
  return { architecture, os, ...(variant && { variant }) };
}
