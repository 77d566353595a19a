import { readFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import { dataLoss, notFound } from '@gantry/shared/errors';
import { BlobStore, digestOf } from '../blobs/blob-store';
import type { Descriptor } from '../manifests/manifest';
import {
  attestedBy,
  type KeptManifest,
  ManifestCatalog,
  type Manifests,
} from '../manifests/manifest-catalog';
import { checkPlatform, parseImageConfig, type Platform } from './image-config';
import { ImageLookup } from './image-lookup';

/** API: AttestationStatement. */
export interface AttestationStatement {
  Descriptor: Descriptor;
  PredicateType: string;
  Statement?: unknown;
}

/** Of the layer of an attestation manifest (BuildKit, attestation-storage). */
const PREDICATE_TYPE = 'in-toto.io/predicate-type';

/** GET /images/{name}/attestations: what the builder of an image says of it, from the index that the image came in. */
@Injectable()
export class ImageAttestations {
  constructor(
    @Inject(ImageLookup) private readonly lookup: ImageLookup,
    @Inject(ManifestCatalog) private readonly catalog: ManifestCatalog,
    @Inject(BlobStore) private readonly blobs: BlobStore,
  ) {}

  /** @throws NotFound for another platform than the image's, and for a statement that is named and not kept here */
  async find(
    reference: string,
    options: { platform?: Platform; types: string[]; statement: boolean },
  ): Promise<AttestationStatement[]> {
    const image = await this.lookup.find(reference);
    if (options.platform) checkPlatform(parseImageConfig(image.config), options.platform, reference);
    const manifests = await this.catalog.read();
    const target = manifests.targetOf(image.id);
    if (target?.index?.parsed.kind !== 'index') return [];
    return target.index.parsed.manifests
      .filter((descriptor) => attestedBy(descriptor) === target.manifest.digest)
      .flatMap((descriptor) => layersOf(kept(manifests, descriptor)))
      .flatMap((layer) => {
        const type = layer.annotations?.[PREDICATE_TYPE] ?? '';
        if (type === '' || (options.types.length > 0 && !options.types.includes(type))) return [];
        const more = options.statement ? { Statement: this.statement(layer) } : {};
        return [{ Descriptor: layer, PredicateType: type, ...more }];
      });
  }

  private statement({ digest }: Descriptor): unknown {
    if (!this.blobs.has(digest)) throw missing('statement', digest);
    const bytes = readFileSync(this.blobs.path(digest));
    if (digestOf(bytes) !== digest) throw dataLoss(`attestation statement ${digest} was changed on disk`);
    return JSON.parse(bytes.toString('utf8')) as unknown;
  }
}

function kept(manifests: Manifests, { digest }: Descriptor): KeptManifest {
  const manifest = manifests.find(digest);
  if (!manifest) throw missing('manifest', digest);
  return manifest;
}

const layersOf = ({ parsed }: KeptManifest): Descriptor[] =>
  parsed.kind === 'manifest' ? parsed.layers : [];

const missing = (what: string, digest: string) =>
  notFound(`attestation ${what} ${digest} is not available locally`);
