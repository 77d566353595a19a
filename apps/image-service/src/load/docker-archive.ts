import { invalidArgument } from '@gantry/shared/errors';
import type { ArchiveIndex } from '../tar/archive-index';
import { type ArchivedGroup, describeImage, digestOfName, parseJson, readDocument } from './archived-image';

export const DOCKER_MANIFEST_FILE = 'manifest.json';

/** The images of a docker-archive, as `docker save` has written it since version 1.10. @throws InvalidArgument */
export function imagesOfDockerArchive(archive: ArchiveIndex): ArchivedGroup[] {
  const manifests = parseJson(archive.read(DOCKER_MANIFEST_FILE), DOCKER_MANIFEST_FILE);
  if (!Array.isArray(manifests)) throw invalidManifest();
  return manifests.map((manifest: unknown) => {
    const { Config, RepoTags, Layers } = (manifest ?? {}) as Record<string, unknown>;
    if (typeof Config !== 'string') throw invalidManifest();
    const layers = strings(Layers).map((member) => ({ member, digest: digestOfName(member) }));
    return { names: strings(RepoTags), images: [describeImage(readDocument(archive, Config), layers)] };
  });
}

function strings(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw invalidManifest();
  return value as string[];
}

const invalidManifest = () => invalidArgument(`invalid ${DOCKER_MANIFEST_FILE}`);
