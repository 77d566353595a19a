import type { ImageConfigDocument } from './image-defaults';

const ARCHITECTURES: Record<string, string> = { x64: 'amd64', ia32: '386' };
/** What else a host of an architecture runs by itself. */
const ALSO: Record<string, string> = { amd64: '386', arm64: 'arm' };

/** Docker's warning where nobody asked for a platform and the image is for another than the host. */
export function platformWarning(
  { os = 'linux', architecture, variant }: ImageConfigDocument,
  processor: string = process.arch,
): string | undefined {
  const host = ARCHITECTURES[processor] ?? processor;
  if (!architecture || architecture === host || architecture === ALSO[host]) return undefined;
  const platform = [os, architecture, variant].filter(Boolean).join('/');
  return (
    `The requested image's platform (${platform}) does not match the detected host platform (linux/${host}) ` +
    'and no specific platform was requested'
  );
}
