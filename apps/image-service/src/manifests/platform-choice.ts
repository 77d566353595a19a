import type { Platform } from '../images/image-config';
import type { Descriptor, DescriptorPlatform } from './manifest';

/**
 * The manifest of an index that suits a platform best: the same architecture, or else one that it can run (a 64-bit
 * machine the 32-bit programs of its family, a newer ARM an older one's). undefined: none does.
 */
export function chooseManifest(manifests: Descriptor[], wanted: Platform): Descriptor | undefined {
  for (const acceptable of runnable(wanted)) {
    const found = manifests.find(({ platform }) => platform && isSame(platform, acceptable));
    if (found) return found;
  }
  return undefined;
}

function isSame(platform: DescriptorPlatform, wanted: Platform): boolean {
  const { os, architecture, variant } = normalize({ ...platform, variant: platform.variant ?? '' });
  return os === wanted.os && architecture === wanted.architecture && variant === wanted.variant;
}

/** Best first. */
function runnable(wanted: Platform): Platform[] {
  const { os, architecture, variant } = normalize(wanted);
  const of = (name: string, variants: string[]) =>
    variants.map((one) => ({ os, architecture: name, variant: one }));
  const upTo = (first: string, all: string[]) => all.slice(all.indexOf(first));
  switch (architecture) {
    case 'amd64':
      return [...of('amd64', upTo(variant || 'v1', ['v4', 'v3', 'v2', 'v1'])), ...of('386', [''])];
    case 'arm64': {
      const own = variant === 'v8' ? ['v8'] : [variant, 'v8'];
      return [...of('arm64', own), ...of('arm', ['v8', 'v7', 'v6', 'v5'])];
    }
    case 'arm':
      return of('arm', upTo(variant, ['v8', 'v7', 'v6', 'v5']));
    default:
      return of(architecture, [variant]);
  }
}

/** What an index leaves out has a meaning (containerd's platforms.Normalize). */
function normalize({ os, architecture, variant }: Platform): Platform {
  if (architecture === 'amd64') return { os, architecture, variant: variant || 'v1' };
  if (architecture === 'arm64') return { os, architecture, variant: variant || 'v8' };
  if (architecture === 'arm') return { os, architecture, variant: variant || 'v7' };
  return { os, architecture, variant };
}

/** `linux/arm64/v8`, as messages show it. */
export const platformText = ({ os, architecture, variant }: Platform): string =>
  [os, architecture, variant].filter(Boolean).join('/');
