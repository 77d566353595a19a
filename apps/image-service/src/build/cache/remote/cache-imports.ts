import { Inject, Injectable } from '@nestjs/common';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import type { CacheImport } from '@gantry/shared/queue';
import { taggable } from '../../../images/image-store';
import { PullLayers } from '../../../pull/pull-layers';
import { readBlob } from '../../../pull/pull-manifest';
import { parseNamed } from '../../../references/reference';
import { REGISTRIES, type Registries } from '../../../registry/registry';
import { BaseImages } from '../../base-images';
import type { BuildOutput } from '../../build-output';
import type { BuildScope } from '../../build-scope';
import { credentialsFor } from '../../registry-config';
import { CacheDocument, parseCacheManifest } from './cache-document';
import { ImportedCaches, type OpenedCache } from './imported-caches';

type Site = Pick<BuildScope, 'request' | 'registries' | 'epoch' | 'platform' | 'session' | 'signal'>;

/** Bytes. */
const MAX_CACHE_CONFIG = 32 * 1024 * 1024;

/** Opens what a build is to take steps from (`--cache-from`). */
@Injectable()
export class CacheImports {
  readonly none: ImportedCaches;

  constructor(
    @Inject(REGISTRIES) private readonly registries: Registries,
    @Inject(BaseImages) private readonly images: BaseImages,
    @Inject(PullLayers) private readonly layers: PullLayers,
  ) {
    this.none = new ImportedCaches([], layers);
  }

  /** `images`: ids of those that are a cache themselves. What cannot be had is told: the build only takes longer. */
  async open(scope: Site, output: BuildOutput): Promise<{ caches: ImportedCaches; images: string[] }> {
    const caches: OpenedCache[] = [];
    const images: string[] = [];
    for (const place of scope.request.cacheImports) {
      const name = place.kind === 'registry' ? place.reference : place.store;
      output.vertex(`importing cache manifest from ${name}`);
      try {
        const cache = await (place.kind === 'registry'
          ? this.fromRegistry(place.reference, scope)
          : fromClient(place, scope));
        if (cache) caches.push(cache);
        else if (place.kind === 'registry')
          images.push(...(await this.image(place.reference, scope, output)));
        else output.send({ status: `no cache from ${name}: it is not one` });
      } catch (error) {
        scope.signal.throwIfAborted();
        output.send({ status: `no cache from ${name}: ${messageOf(error)}` });
      }
    }
    return { caches: new ImportedCaches(caches, this.layers), images };
  }

  /** undefined: it is an image. */
  private async fromRegistry(reference: string, scope: Site): Promise<OpenedCache | undefined> {
    const named = parseNamed(reference);
    const { repository, tag } = named.digest ? { ...named, tag: named.digest } : taggable(named);
    const { signal } = scope;
    const source = this.registries.repository(
      repository,
      credentialsFor(scope.registries, repository),
      'pull',
    );
    const { bytes } = await source.manifest(tag, { signal });
    const found = parseCacheManifest(bytes);
    if (!found) return undefined;
    const config =
      found.config.size <= MAX_CACHE_CONFIG ? await readBlob(source, found.config, signal) : undefined;
    if (!config) throw invalidArgument(`invalid cache config ${found.config.digest}`);
    return { document: new CacheDocument(config, found.blobs), source };
  }

  private async image(
    reference: string,
    { platform, registries, epoch, signal }: Site,
    output: BuildOutput,
  ): Promise<string[]> {
    const order = { reference, platform, pull: false, registries, epoch };
    const { id } = await this.images.find(order, async (line) => output.pulling(line), signal);
    return id === null ? [] : [id];
  }
}

/** undefined: there is something else. */
async function fromClient(
  { store, digest }: Extract<CacheImport, { kind: 'client' }>,
  { session, signal }: Site,
): Promise<OpenedCache | undefined> {
  const source = session.content(store);
  const found = parseCacheManifest(await source.document(digest, { signal }));
  if (!found) return undefined;
  const config = await source.document(found.config.digest, { signal });
  return { document: new CacheDocument(config, found.blobs), source };
}
