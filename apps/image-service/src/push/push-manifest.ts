import { digestOf } from '../blobs/blob-store';
import type { StoredLayerBlob } from '../manifests/manifest-store';
import {
  DOCKER_CONFIG,
  DOCKER_LAYER_GZIP,
  DOCKER_MANIFEST,
  layerCompressionOf,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
} from '../manifests/media-types';
import type { FetchedManifest } from '../registry/registry';

/** The layers of an image as they are sent, lowest first. */
export type SentLayer = Pick<StoredLayerBlob, 'digest' | 'mediaType' | 'size'>;

const OCI_SUFFIXES = { none: '', gzip: '+gzip', zstd: '+zstd' };

/**
 * The manifest of an image that has none yet: Docker's schema 2, laid out as dockerd does, so that the same layers make the
 * same digest. Layers that schema 2 has no name for (zstd, plain archives) make it an OCI manifest.
 */
export function buildManifest(config: Uint8Array, layers: SentLayer[]): FetchedManifest {
  const isDocker = layers.every((layer) => layerCompressionOf(layer.mediaType) === 'gzip');
  const layerType = (layer: SentLayer): string =>
    isDocker ? DOCKER_LAYER_GZIP : OCI_LAYER + OCI_SUFFIXES[layerCompressionOf(layer.mediaType)];
  const mediaType = isDocker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const document = {
    schemaVersion: 2,
    mediaType,
    config: {
      mediaType: isDocker ? DOCKER_CONFIG : OCI_CONFIG,
      size: config.length,
      digest: digestOf(config),
    },
    layers: layers.map((layer) => ({
      mediaType: layerType(layer),
      size: Number(layer.size),
      digest: layer.digest,
    })),
  };
  const bytes = Buffer.from(JSON.stringify(document, null, 3));
  return { bytes, mediaType, digest: digestOf(bytes) };
}
