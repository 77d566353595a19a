import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument, isKind } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { parseManifest } from '../manifests/manifest';
import { attestedBy } from '../manifests/manifest-catalog';
import { ManifestStore } from '../manifests/manifest-store';
import type { Repository } from '../registry/registry';
import { readBlob, type ResolvedImage } from './pull-manifest';

const IN_TOTO = 'application/vnd.in-toto+json';
/** Of one image. */
const MAX_STATEMENTS = 32;
/** Bytes of one statement. */
const MAX_STATEMENT = 16 * 1024 * 1024;

/**
 * Keeps what the builder of an image says of it: attestation manifests lie beside the image's in its index (BuildKit,
 * attestation-storage). They and their statements go with the image.
 */
@Injectable()
export class KeepAttestations {
  constructor(
    @Inject(ManifestStore) private readonly manifests: ManifestStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** What the registry does not give stays away: the image is whole without it. */
  async keep(
    repository: Repository,
    { indexes, fetched, imageId }: Pick<ResolvedImage, 'indexes' | 'fetched' | 'imageId'>,
    signal: AbortSignal,
  ): Promise<void> {
    const attestations = indexes
      .map((index) => parseManifest(index.bytes, index.mediaType))
      .flatMap((index) => (index.kind === 'index' ? index.manifests : []))
      .filter((descriptor) => attestedBy(descriptor) === fetched.digest);
    for (const { digest } of attestations) {
      if (await this.manifests.find(digest)) continue;
      try {
        await this.fetch(repository, digest, imageId, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (!isKind(error, 'NotFound') && !isKind(error, 'InvalidArgument')) throw error;
        this.logger.warn({ err: error, digest }, 'attestation not kept');
      }
    }
  }

  /** The statements first: a manifest that is kept has them. */
  private async fetch(
    repository: Repository,
    digest: string,
    imageId: string,
    signal: AbortSignal,
  ): Promise<void> {
    const manifest = await repository.manifest(digest, { signal });
    const parsed = parseManifest(manifest.bytes, manifest.mediaType);
    if (parsed.kind !== 'manifest') return;
    const statements = parsed.layers.filter(
      ({ mediaType, size }) => mediaType === IN_TOTO && size <= MAX_STATEMENT,
    );
    for (const statement of statements.slice(0, MAX_STATEMENTS)) {
      const bytes = await readBlob(repository, statement, signal);
      if (!bytes) throw invalidArgument(`attestation statement ${statement.digest} is not what it is called`);
      await this.manifests.put({ bytes, mediaType: IN_TOTO, digest: statement.digest }, imageId);
    }
    await this.manifests.put(manifest, imageId);
  }
}
