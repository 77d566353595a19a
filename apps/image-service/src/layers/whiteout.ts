import { invalidArgument } from '@gantry/shared/errors';
import { shown } from './layer-path';

/** How layers say that something below them is gone (OCI image-spec, layer.md, "Whiteouts"). */
const PREFIX = '.wh.';
/** aufs's own bookkeeping, which no other file system takes. */
const META_PREFIX = '.wh..wh.';
const OPAQUE = '.wh..wh..opq';

export const OPAQUE_XATTR = 'trusted.overlay.opaque';
/** Attributes that overlayfs itself reads: an archive must not set them. */
export const OVERLAY_XATTR_PREFIXES = ['trusted.overlay.', 'user.overlay.'];

export type Whiteout = { kind: 'opaque' } | { kind: 'ignored' } | { kind: 'removed'; name: string };

/** What a file name of a layer archive hides; undefined for an ordinary name. */
export function parseWhiteout(name: string): Whiteout | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  if (name === OPAQUE) return { kind: 'opaque' };
  if (name.startsWith(META_PREFIX)) return { kind: 'ignored' };
  const hidden = name.slice(PREFIX.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw invalidArgument(`Error processing tar file: invalid whiteout name: ${shown(name)}`);
  }
  return { kind: 'removed', name: hidden };
}

export const whiteoutName = (name: string): string => PREFIX + name;
export const OPAQUE_NAME = OPAQUE;
