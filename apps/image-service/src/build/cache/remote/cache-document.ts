import { createHash } from 'node:crypto';
import { invalidArgument } from '@gantry/shared/errors';
import { digestOf } from '../../../blobs/blob-store';
import { type Descriptor, descriptor, descriptors } from '../../../manifests/manifest';
import { OCI_INDEX, OCI_MANIFEST } from '../../../manifests/media-types';
import { isDigest } from '../../../references/reference';
import type { FetchedManifest } from '../../../registry/registry';

/**
 * The cache of a build in a registry or a directory: BuildKit's format (cache/remotecache/v1), so that registries, tools and
 * BuildKit itself read it. Names of steps are Gantry's own: no other builder finds its steps here, nor Gantry those of others.
 */
const CACHE_CONFIG = 'application/vnd.buildkit.cacheconfig.v0';

/** A step, and what it has made. */
export interface CacheStep {
  /** See step-key.ts. */
  key: string;
  parentKey: string;
  created: Date;
  /** undefined: no file has changed. */
  layer: CacheLayer | undefined;
}

export interface CacheLayer {
  blob: Descriptor;
  /** sha256 of the plain archive. */
  diffId: string;
}

/** CacheConfig of BuildKit. */
interface Config {
  layers?: {
    blob?: string;
    parent?: number;
    annotations?: { mediaType?: string; diffID?: string; size?: number };
  }[];
  records?: Record[];
}

interface Record {
  layers?: { layer: number; createdAt?: string }[];
  digest?: string;
  inputs?: { link: number }[][];
  /** Ours: steps that change no file have a time, too. */
  created?: string;
}

/** What steps and the images that they begin with are called in a cache. */
const nameOf = (key: string): string =>
  /^[a-f0-9]{64}$/.test(key) ? `sha256:${key}` : `sha256:${createHash('sha256').update(key).digest('hex')}`;

/** The configuration of a cache with these steps, each after the one that it follows. */
export function cacheConfig(steps: CacheStep[]): Buffer {
  const layers: Config['layers'] = [];
  const records: Record[] = [];
  const known = new Map<string, { record: number; layer: number }>();
  const place = (key: string) => known.get(key) ?? { record: -1, layer: -1 };
  const add = (key: string, record: Record, layer: number) => {
    known.set(key, { record: records.push({ digest: nameOf(key), ...record }) - 1, layer });
  };
  for (const { key, parentKey, created, layer } of steps) {
    if (!known.has(parentKey)) add(parentKey, {}, -1);
    const before = place(parentKey);
    const createdAt = created.toISOString();
    const inputs = [[{ link: before.record }]];
    if (!layer) add(key, { inputs, created: createdAt }, before.layer);
    else {
      const { mediaType, digest, size } = layer.blob;
      const annotations = { mediaType, diffID: layer.diffId, size, createdAt };
      const own = layers.push({ blob: digest, parent: before.layer, annotations }) - 1;
      add(key, { layers: [{ layer: own, createdAt }], inputs, created: createdAt }, own);
    }
  }
  return Buffer.from(JSON.stringify({ layers, records }));
}

/** A manifest, and the digest of the configuration that it names. */
type CacheManifest = FetchedManifest & { config: string };

/** The document that a cache is found by. `index`: layers in an index of manifests, as BuildKit wrote before version 0.21. */
export function cacheManifest(config: Buffer, layers: Descriptor[], form: 'image' | 'index'): CacheManifest {
  const about = { mediaType: CACHE_CONFIG, digest: digestOf(config), size: config.length };
  const mediaType = form === 'image' ? OCI_MANIFEST : OCI_INDEX;
  const content = form === 'image' ? { config: about, layers } : { manifests: [...layers, about] };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }));
  return { bytes, mediaType, digest: digestOf(bytes), config: about.digest };
}

/** Where the configuration and the layers of a cache are; undefined: the document is of something else. @throws InvalidArgument */
export function parseCacheManifest(
  bytes: Buffer,
): { config: Descriptor; blobs: Map<string, Descriptor> } | undefined {
  const document = parse<{ config?: unknown; layers?: unknown; manifests?: unknown }>(bytes);
  const named =
    document.manifests === undefined
      ? [descriptor(document.config, 'config'), ...descriptors(document.layers ?? [], 'layers')]
      : descriptors(document.manifests, 'manifests');
  const config = named.find(({ mediaType }) => mediaType === CACHE_CONFIG);
  return config && { config, blobs: new Map(named.map((one) => [one.digest, one])) };
}

/** What a step of a cache has made, by the step's key. */
export class CacheDocument {
  private readonly byName = new Map<string, Pick<CacheStep, 'created' | 'layer'>>();

  /** @throws InvalidArgument where it is not the configuration of a cache */
  constructor(config: Buffer, blobs: ReadonlyMap<string, Descriptor>) {
    const { layers = [], records = [] } = parse<Config>(config);
    if (!Array.isArray(layers) || !Array.isArray(records)) throw invalidArgument('invalid cache config');
    for (const { digest, layers: results, created } of records) {
      const time = new Date(created ?? Number.NaN);
      if (typeof digest !== 'string' || Number.isNaN(time.getTime())) continue; // nobody's that we know of
      const [result] = results ?? [];
      if (!result) this.byName.set(digest, { created: time, layer: undefined });
      else {
        const { blob = '', annotations } = layers[result.layer] ?? {};
        const found = blobs.get(blob);
        const diffId = annotations?.diffID ?? '';
        if (found && isDigest(diffId))
          this.byName.set(digest, { created: time, layer: { blob: found, diffId } });
      }
    }
  }

  get steps(): number {
    return this.byName.size;
  }

  find(key: string): Pick<CacheStep, 'created' | 'layer'> | undefined {
    return this.byName.get(nameOf(key));
  }

  /** Its layer could not be had. */
  forget(key: string): void {
    this.byName.delete(nameOf(key));
  }
}

function parse<T extends object>(bytes: Buffer): T {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalidArgument('invalid cache: no JSON', error);
  }
  if (typeof document === 'object' && document !== null) return document as T;
  throw invalidArgument('invalid cache: no JSON object');
}
