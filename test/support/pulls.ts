import { readdirSync, statSync } from 'node:fs';
import { request, type ClientRequest } from 'node:http';
import { join } from 'node:path';
import { api, instance } from './engine';
import { eventually } from './eventually';

/** What the tests look at of `GET /gantry/jobs`. */
export interface Job {
  id: string;
  name: string;
  state: string;
  subject: string;
  started?: string;
  finished?: string;
  worker?: number;
  progress?: { status?: string; error?: string };
  watchers: number;
}

export interface Pulled {
  status: number;
  lines: { status?: string; id?: string; error?: string; errorDetail?: { message: string } }[];
  /** What it failed with; empty: it did not. */
  error: string;
}

/** `POST /images/create?fromImage=`, to its end. `more`: further parameters; `authorization`: X-Registry-Auth. */
export async function pull(image: string, more = '', authorization?: object): Promise<Pulled> {
  const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
    const outgoing = beginPull(image, more, authorization);
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.once('error', reject);
      incoming.once('end', () =>
        resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
      );
    });
  });
  if (status >= 400) {
    return { status, lines: [], error: (JSON.parse(text) as { message: string }).message };
  }
  const lines = text
    .split('\r\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Pulled['lines'][number]);
  return { status, lines, error: lines.at(-1)?.error ?? '' };
}

/** The request of a pull that is under way. Who destroys it hangs up. */
export function beginPull(image: string, more = '', authorization?: object): ClientRequest {
  const auth = authorization && Buffer.from(JSON.stringify(authorization)).toString('base64url');
  const outgoing = request({
    socketPath: api.socketPath,
    method: 'POST',
    path: `/images/create?fromImage=${encodeURIComponent(image)}${more}`,
    headers: auth === undefined ? {} : { 'x-registry-auth': auth },
  });
  outgoing.end();
  return outgoing;
}

/** The newest job about an image, whatever its state. */
export async function jobOf(subject: string): Promise<Job> {
  return eventually(async () => {
    const { body } = await api.get<Job[]>('/gantry/jobs');
    const found = body.filter((job) => job.subject === subject);
    const job = found.find(({ finished }) => finished === undefined) ?? found[0];
    if (!job) throw new Error(`no job about ${subject}`);
    return job;
  });
}

export const ingest = join(instance.dataRoot, 'image', 'ingest');

/** Bytes of a blob on disk, arrived or arriving. */
export function bytesOnDisk(digest: string): number {
  const hex = digest.slice('sha256:'.length);
  const places = [join(instance.dataRoot, 'image', 'blobs', 'sha256', hex), join(ingest, `download-${hex}`)];
  return Math.max(...places.map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0));
}

/** Everything that the image-service keeps as files and directories of its own. */
export function storedNames(): string[] {
  return ['image/ingest', 'image/blobs/sha256', 'overlay2', 'overlay2/l']
    .flatMap((directory) =>
      readdirSync(join(instance.dataRoot, directory)).map((name) => `${directory}/${name}`),
    )
    .sort();
}
