import { invalidArgument } from '@gantry/shared/errors';

/**
 * What lies in `image/ingest/`, told apart by the beginnings of the names:
 * - `upload-<id>`: an upload that is whole; it belongs to the job that names it;
 * - `part-`, `job-`, `blob-`, `doomed-`, then the process: an upload that is arriving, a job's own file, a blob being written,
 *   a blob being removed; they belong to that process and are nobody's when it is gone;
 * - `download-`: of a blob that a registry has sent in part, to be continued by any process.
 */
export const OWN_PREFIXES = { part: 'part-', job: 'job-', blob: 'blob-', doomed: 'doomed-' } as const;
export type OwnKind = keyof typeof OWN_PREFIXES;

export const DOWNLOAD_PREFIX = 'download-';

const UPLOAD_PREFIX = 'upload-';
const UPLOAD_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/;

export type IngestName =
  | { kind: 'upload'; uploadId: string }
  | { kind: 'own'; prefix: string }
  | { kind: 'download' }
  | { kind: 'unknown' };

/** @throws InvalidArgument for an id that is no plain name. */
export function uploadName(uploadId: string): string {
  if (!UPLOAD_ID.test(uploadId)) throw invalidArgument(`invalid upload id ${JSON.stringify(uploadId)}`);
  return UPLOAD_PREFIX + uploadId;
}

export function parseIngestName(name: string): IngestName {
  if (name.startsWith(DOWNLOAD_PREFIX)) return { kind: 'download' };
  const prefix = Object.values(OWN_PREFIXES).find((own) => name.startsWith(own));
  if (prefix !== undefined) return { kind: 'own', prefix };
  const uploadId = name.startsWith(UPLOAD_PREFIX) ? name.slice(UPLOAD_PREFIX.length) : '';
  return UPLOAD_ID.test(uploadId) ? { kind: 'upload', uploadId } : { kind: 'unknown' };
}
