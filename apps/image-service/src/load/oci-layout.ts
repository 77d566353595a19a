import { invalidArgument } from '@gantry/shared/errors';
import { attestedBy } from '../manifests/manifest-catalog';
import { type Descriptor, parseManifest } from '../manifests/manifest';
import { isConfigType, isIndexType, isManifestType, layerKindOf, OCI_INDEX } from '../manifests/media-types';
import { familiar, parseNamed } from '../references/reference';
import type { ArchiveIndex } from '../tar/archive-index';
import {
  type ArchivedGroup,
  type ArchivedImage,
  type ArchivedLayer,
  describeImage,
  readDocument,
} from './archived-image';

export const OCI_INDEX_FILE = 'index.json';

const FULL_NAME = 'io.containerd.image.name';
const REF_NAME = 'org.opencontainers.image.ref.name';
const MAX_NESTING = 4;
/** An index may name the same index again and again. */
const MAX_DOCUMENTS = 2_000;

/** The images of an OCI layout (OCI image-spec, image-layout.md), grouped by what its index names. @throws InvalidArgument */
export function imagesOfOciLayout(archive: ArchiveIndex): ArchivedGroup[] {
  return new OciLayout(archive).groups();
}

class OciLayout {
  private documents = 0;

  constructor(private readonly archive: ArchiveIndex) {}

  groups(): ArchivedGroup[] {
    const index = parseManifest(this.archive.read(OCI_INDEX_FILE), OCI_INDEX);
    if (index.kind !== 'index') throw invalidArgument(`invalid ${OCI_INDEX_FILE}`);
    const groups = new Map<string, ArchivedGroup>();
    for (const descriptor of index.manifests) {
      const known = groups.get(descriptor.digest);
      const group = known ?? { names: [], images: this.imagesOf(descriptor, 0) };
      group.names.push(...namesOf(descriptor));
      groups.set(descriptor.digest, group);
    }
    return [...groups.values()].filter(({ images }) => images.length > 0);
  }

  private imagesOf(descriptor: Descriptor, depth: number): ArchivedImage[] {
    const { mediaType } = descriptor;
    // Artifacts and attestations lie beside the images.
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) return [];
    if (attestedBy(descriptor) !== undefined) return [];
    if (depth > MAX_NESTING) throw invalidArgument(`invalid ${OCI_INDEX_FILE}: too many levels`);
    if (++this.documents > MAX_DOCUMENTS)
      throw invalidArgument(`invalid ${OCI_INDEX_FILE}: too many manifests`);
    const parsed = parseManifest(this.read(descriptor), mediaType);
    if (parsed.kind === 'manifest') return this.image(parsed.config, parsed.layers);
    return parsed.manifests
      .filter((child) => this.archive.find(memberOf(child)) !== undefined)
      .flatMap((child) => this.imagesOf(child, depth + 1));
  }

  private image(config: Descriptor, layers: Descriptor[]): ArchivedImage[] {
    if (!isConfigType(config.mediaType)) return [];
    return [
      describeImage(
        this.read(config),
        layers.map((layer) => this.layer(layer)),
      ),
    ];
  }

  private layer(descriptor: Descriptor): ArchivedLayer {
    if (!layerKindOf(descriptor.mediaType)) {
      throw invalidArgument(`unsupported media type of a layer: ${descriptor.mediaType}`);
    }
    const member = memberOf(descriptor);
    const found = this.archive.find(member);
    if (found) checkSize(descriptor, found.size);
    return { member, digest: descriptor.digest };
  }

  private read(descriptor: Descriptor): Buffer {
    const bytes = readDocument(this.archive, memberOf(descriptor));
    checkSize(descriptor, bytes.length);
    return bytes;
  }
}

function checkSize({ digest, size }: Descriptor, actual: number): void {
  if (size !== actual)
    throw invalidArgument(`invalid archive: ${digest} has ${actual} bytes, not the ${size} it is said to`);
}

/** `org.opencontainers.image.ref.name` may be anything: most often only a tag, which is no name. */
function namesOf({ annotations }: Descriptor): string[] {
  const full = annotations?.[FULL_NAME];
  if (full !== undefined) return [full];
  const reference = annotations?.[REF_NAME];
  if (!reference?.includes(':')) return [];
  try {
    return [familiar(parseNamed(reference))];
  } catch {
    return [];
  }
}

const memberOf = ({ digest }: Descriptor): string => `blobs/${digest.replace(':', '/')}`;
