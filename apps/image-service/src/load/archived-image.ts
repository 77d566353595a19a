import { invalidArgument } from '@gantry/shared/errors';
import { digestOf } from '../blobs/blob-store';
import { type ImageConfig, parseImageConfig } from '../images/image-config';
import type { ArchiveIndex } from '../tar/archive-index';

/** One image of an archive. */
export interface ArchivedImage {
  id: string;
  bytes: Buffer;
  config: ImageConfig;
  /** Lowest first, one for each diff id. */
  layers: ArchivedLayer[];
}

/** A member of the archive. */
export interface ArchivedLayer {
  member: string;
  /** Of the bytes as they are in the archive, where the archive names it. */
  digest?: string;
}

/** Images that share their names: one for each platform. */
export interface ArchivedGroup {
  /** Names as the archive has them. */
  names: string[];
  images: ArchivedImage[];
}

const BLOB = /^\/?(?:\.\/)?blobs\/sha256\/([a-f0-9]{64})$/;

/** The digest that a member's name promises (OCI image-spec, image-layout.md, "Blobs"). */
export function digestOfName(member: string): string | undefined {
  const hex = BLOB.exec(member)?.[1];
  return hex && `sha256:${hex}`;
}

/** A document of the archive. @throws InvalidArgument when it is not there, is too large, or is not what its name promises */
export function readDocument(archive: ArchiveIndex, member: string): Buffer {
  const bytes = archive.read(member);
  const promised = digestOfName(member);
  if (promised !== undefined && digestOf(bytes) !== promised) {
    throw invalidArgument(`invalid archive: ${member} is ${digestOf(bytes)}, not what it is called`);
  }
  return bytes;
}

/** @throws InvalidArgument for a configuration that is none, or of another number of layers */
export function describeImage(bytes: Buffer, layers: ArchivedLayer[]): ArchivedImage {
  const config = parseImageConfig(bytes);
  const { length } = config.rootfs.diff_ids;
  if (length !== layers.length) {
    throw invalidArgument(
      `invalid manifest, layers length mismatch: expected ${layers.length}, got ${length}`,
    );
  }
  return { id: digestOf(bytes), bytes, config, layers };
}

/** @throws InvalidArgument for what is no JSON */
export function parseJson(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalidArgument(`invalid ${name}`, error);
  }
}
