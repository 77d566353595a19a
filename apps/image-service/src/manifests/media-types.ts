/** Media types of the OCI image-spec (media-types.md) and of Docker's distribution (schema 2). */
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';
export const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
export const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';
export const DOCKER_LAYER_GZIP = `${DOCKER_LAYER}.gzip`;

/** What a pull can take, best first. */
export const MANIFEST_TYPES = [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST];

export const isIndexType = (type: string): boolean => type === OCI_INDEX || type === DOCKER_INDEX;
export const isManifestType = (type: string): boolean => type === OCI_MANIFEST || type === DOCKER_MANIFEST;
export const isConfigType = (type: string): boolean => type === OCI_CONFIG || type === DOCKER_CONFIG;
/** Schema 1, with and without signature. */
export const isSchema1Type = (type: string): boolean =>
  /^application\/vnd\.docker\.distribution\.manifest\.v1\+(json|prettyjws)$/.test(type);

/** Layers in an archive that we can unpack; undefined: something else (an artifact, an encrypted layer). */
export function layerKindOf(type: string): 'layer' | 'foreign' | undefined {
  const match =
    /^application\/vnd\.oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+gzip|\+zstd)?$/.exec(type) ??
    /^application\/vnd\.docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd)?$/.exec(type);
  if (!match) return undefined;
  return match[1] ? 'foreign' : 'layer';
}

/** What the media type of a layer says of its compression. */
export function layerCompressionOf(type: string): 'none' | 'gzip' | 'zstd' {
  if (/[.+]gzip$/.test(type)) return 'gzip';
  return /[.+]zstd$/.test(type) ? 'zstd' : 'none';
}
