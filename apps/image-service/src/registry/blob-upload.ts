import { setTimeout } from 'node:timers/promises';
import { Transform } from 'node:stream';
import { EngineError, invalidArgument } from '@gantry/shared/errors';
import type { UploadableBlob } from './registry';
import { RegistryError } from './registry-errors';
import type { RegistrySession } from './registry-session';
import { discard, type HttpAnswer } from './transport';

/** Attempts that sent nothing before an upload is given up. */
const MAX_FRUITLESS = 5;
const FIRST_PAUSE_MS = 500;

interface Upload {
  location: string;
  /** Bytes that the registry has. */
  offset: number;
}

/**
 * Sends a blob (OCI distribution-spec, "Pushing a blob in chunks"): one long piece, and where it breaks off another one from
 * where the registry has it.
 */
export async function uploadBlob(
  session: RegistrySession,
  path: string,
  scopes: string[],
  blob: UploadableBlob,
  signal: AbortSignal | undefined,
): Promise<void> {
  const begin = async (): Promise<Upload> => {
    const answer = await session.ask({ method: 'POST', path, scopes, signal }, [202]);
    discard(answer);
    return { location: locationOf(answer), offset: 0 };
  };
  let upload = await begin();
  for (let fruitless = 0; ;) {
    try {
      if (upload.offset < blob.size) upload = await sendRest(session, scopes, upload, blob, signal);
      await finish(session, scopes, upload, blob.digest, signal);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isPassing(error)) throw error;
      const before = upload.offset;
      await setTimeout(FIRST_PAUSE_MS * 2 ** fruitless, undefined, { signal });
      upload = (await resume(session, scopes, upload, signal)) ?? (await begin());
      fruitless = upload.offset > before ? 0 : fruitless + 1;
      if (fruitless >= MAX_FRUITLESS) throw error;
      blob.onProgress(upload.offset);
    }
  }
}

async function sendRest(
  session: RegistrySession,
  scopes: string[],
  { location, offset }: Upload,
  blob: UploadableBlob,
  signal: AbortSignal | undefined,
): Promise<Upload> {
  let sent = offset;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.length;
      blob.onProgress(sent);
      done(null, chunk);
    },
  });
  const source = blob.open(offset);
  source.on('error', (error) => counted.destroy(error));
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'content-length': String(blob.size - offset),
    ...(offset > 0 && { 'content-range': `${offset}-${blob.size - 1}` }),
  };
  try {
    const body = source.pipe(counted);
    const answer = await session.ask(
      { method: 'PATCH', path: location, headers, body, scopes, signal },
      [202],
    );
    discard(answer);
    return { location: locationOf(answer), offset: blob.size };
  } finally {
    source.destroy();
    counted.destroy();
  }
}

async function finish(
  session: RegistrySession,
  scopes: string[],
  { location }: Upload,
  digest: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const url = new URL(location);
  url.searchParams.set('digest', digest);
  const answer = await session.ask(
    { method: 'PUT', path: url.href, body: Buffer.alloc(0), scopes, signal },
    [201, 204],
  );
  discard(answer);
}

/** How far the registry is; undefined when it knows the upload no more. */
async function resume(
  session: RegistrySession,
  scopes: string[],
  { location }: Upload,
  signal: AbortSignal | undefined,
): Promise<Upload | undefined> {
  const answer = await session.ask({ method: 'GET', path: location, scopes, signal }, [204, 404]);
  discard(answer);
  if (answer.status === 404) return undefined;
  const last = /^(?:bytes=)?0-(\d+)$/.exec(answer.headers['range'] ?? '')?.[1];
  const offset = last === undefined || last === '0' ? 0 : Number(last) + 1;
  return { location: answer.headers['location'] ? locationOf(answer) : location, offset };
}

function locationOf(answer: HttpAnswer): string {
  const location = answer.headers['location'];
  if (location === undefined) throw invalidArgument('the registry did not say where to upload to');
  return new URL(location, answer.url).href;
}

function isPassing(error: unknown): boolean {
  if (error instanceof RegistryError)
    return error.status >= 500 || error.status === 429 || error.status === 401;
  return !(error instanceof EngineError) || error.kind === 'Unreachable';
}
