import { invalidArgument } from '@gantry/shared/errors';
import { isDigest } from '../references/reference';
import { isIndexType, isManifestType, isSchema1Type } from './media-types';

/** OCI image-spec, descriptor.md. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  /** Bytes. */
  size: number;
  urls?: string[];
  annotations?: Record<string, string>;
  artifactType?: string;
  platform?: DescriptorPlatform;
}

export interface DescriptorPlatform {
  os: string;
  architecture: string;
  variant?: string;
  'os.version'?: string;
  'os.features'?: string[];
}

export interface ImageManifest {
  kind: 'manifest';
  mediaType: string;
  config: Descriptor;
  /** Lowest first. */
  layers: Descriptor[];
  artifactType?: string;
  subject?: Descriptor;
}

export interface ImageIndex {
  kind: 'index';
  mediaType: string;
  manifests: Descriptor[];
}

const MAX_LAYERS = 127;
const MAX_MANIFESTS = 1000;

/**
 * A manifest or an index (OCI image-spec, manifest.md and image-index.md; Docker's schema 2 of them).
 * `declared`: the media type it came with, which has to agree with the document's own.
 * @throws InvalidArgument for anything else and for what could be read as both
 */
export function parseManifest(bytes: Uint8Array, declared: string): ImageManifest | ImageIndex {
  const document = parseObject(bytes);
  const own = document['mediaType'];
  if (own !== undefined && typeof own !== 'string') throw invalidArgument('invalid manifest: bad mediaType');
  if (document['schemaVersion'] === 1 || isSchema1Type(declared)) {
    throw invalidArgument(
      'schema 1 manifests are no longer supported: push the image again with a newer tool (Docker Image Format v1 and ' +
        'Docker Image manifest version 2, schema 1 are removed)',
    );
  }
  if (document['schemaVersion'] !== 2) throw invalidArgument('invalid manifest: unsupported schema version');
  const type = own ?? declared;
  if (own !== undefined && isKnown(declared) && own !== declared) {
    throw invalidArgument(`manifest media type mismatch: it says ${own}, the registry says ${declared}`);
  }
  const hasIndexKeys = document['manifests'] !== undefined;
  const hasManifestKeys = document['layers'] !== undefined || document['config'] !== undefined;
  if (hasIndexKeys && hasManifestKeys) throw invalidArgument('ambiguous manifest: both manifests and layers');
  if (isIndexType(type)) return indexOf(document, type);
  if (isManifestType(type)) return manifestOf(document, type);
  throw invalidArgument(`unsupported media type ${type || '(none)'}`);
}

const isKnown = (type: string): boolean => isIndexType(type) || isManifestType(type);

function indexOf(document: Record<string, unknown>, mediaType: string): ImageIndex {
  const manifests = descriptors(document['manifests'], 'manifests');
  if (manifests.length > MAX_MANIFESTS) throw invalidArgument('invalid index: too many manifests');
  return { kind: 'index', mediaType, manifests };
}

function manifestOf(document: Record<string, unknown>, mediaType: string): ImageManifest {
  const layers = descriptors(document['layers'], 'layers');
  if (layers.length > MAX_LAYERS) throw invalidArgument('max depth exceeded');
  const { artifactType, subject } = document;
  return {
    kind: 'manifest',
    mediaType,
    config: descriptor(document['config'], 'config'),
    layers,
    ...(typeof artifactType === 'string' && { artifactType }),
    ...(subject !== undefined && subject !== null && { subject: descriptor(subject, 'subject') }),
  };
}

/** Null is a list without elements: Go writes it so. */
export function descriptors(value: unknown, name: string): Descriptor[] {
  if (value === null) return [];
  if (!Array.isArray(value)) throw invalidArgument(`invalid manifest: no ${name}`);
  return value.map((item) => descriptor(item, name));
}

export function descriptor(value: unknown, name: string): Descriptor {
  const { mediaType, digest, size, urls } = (value ?? {}) as Partial<Descriptor>;
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest)) {
    throw invalidArgument(`invalid manifest: bad descriptor in ${name}`);
  }
  if (!digest.startsWith('sha256:'))
    throw invalidArgument(`unsupported digest algorithm in ${name}: ${digest}`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalidArgument(`invalid manifest: bad size in ${name}`);
  }
  if (urls && !(Array.isArray(urls) && urls.every((url) => typeof url === 'string'))) {
    throw invalidArgument(`invalid manifest: bad urls in ${name}`);
  }
  return value as Descriptor;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw invalidArgument('invalid manifest: no JSON', error);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw invalidArgument('invalid manifest: no JSON object');
  }
  return document as Record<string, unknown>;
}
