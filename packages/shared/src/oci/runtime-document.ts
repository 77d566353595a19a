import { invalidArgument } from '../errors';
import type { OciProcess, OciSpec } from './oci-spec';

/**
 * What a runtime reads, as JSON. crun cuts strings at a NUL byte: a bind would go elsewhere, a path not be masked, a command
 * be another, than what was looked at before.
 * @throws InvalidArgument for such a string, be it from the client or the image
 */
export function runtimeDocument(document: OciSpec | OciProcess): string {
  const text = JSON.stringify(document);
  if (text.includes('\\u0000')) refuseNul(document, '');
  return text;
}

function refuseNul(value: unknown, place: string): void {
  if (typeof value === 'string' && value.includes('\0')) throw invalidArgument(complaint(value, place));
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    refuseNul(name, place);
    refuseNul(inner, Array.isArray(value) ? place : name);
  }
}

/** Of an environment the words are runc's, and so dockerd's. */
function complaint(value: string, place: string): string {
  const shown = JSON.stringify(value).replaceAll('\\u0000', '\\x00');
  return place === 'env'
    ? `environment variable value can't contain null(\\x00): ${shown}`
    : `${place} can't contain null(\\x00): ${shown}`;
}
