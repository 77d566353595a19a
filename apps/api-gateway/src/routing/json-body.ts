import type { IncomingMessage } from 'node:http';
import { EngineError, invalidArgument, messageOf } from '@gantry/shared/errors';
import { spellFieldNames } from './field-names';
import { jsonDepthError, jsonSyntaxError, TRAILING_CONTENT } from './json-syntax';

/** The largest JSON document that a client may send. Bytes. */
export const MAX_JSON_BYTES = 4 * 1024 * 1024;

/** A JSON object that a client sent: the parsed document, and the bytes to pass on where nothing has to change. */
export interface JsonObjectBody {
  document: Record<string, unknown>;
  bytes: Buffer;
}

/**
 * The body as a JSON object, or undefined where the client sent none. Follows moby's httputils.ReadJSON.
 * @throws InvalidArgument in Docker's words.
 */
export async function readJsonBody(request: IncomingMessage): Promise<JsonObjectBody | undefined> {
  const contentType = request.headers['content-type'];
  const chunked = request.headers['transfer-encoding'] !== undefined;
  const empty = !chunked && Number(request.headers['content-length'] ?? 0) === 0;
  if (!(empty && contentType === undefined)) requireJsonType(contentType ?? '');
  if (empty) return undefined;
  return parseJsonObject(await readBytes(request));
}

/** @throws InvalidArgument in Docker's words. */
function requireJsonType(header: string): void {
  const type = header.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'application/json') return;
  if (type === '') throw invalidArgument(`malformed Content-Type header (${header}): mime: no media type`);
  throw invalidArgument(`unsupported Content-Type header (${header}): must be 'application/json'`);
}

/** The same, with nothing as a document without fields. */
export async function readJsonFields(request: IncomingMessage): Promise<JsonObjectBody> {
  return (await readJsonBody(request)) ?? { document: {}, bytes: Buffer.from('{}') };
}

/** The same for endpoints that cannot do without a body. */
export async function requireJsonBody(request: IncomingMessage): Promise<JsonObjectBody> {
  const body = await readJsonBody(request);
  if (!body) throw invalidArgument('invalid JSON: EOF');
  return body;
}

export function parseJsonObject(bytes: Buffer): JsonObjectBody {
  const text = bytes.toString('utf8');
  if (text.trim() === '') throw invalidArgument('invalid JSON: got EOF while reading request body');
  let document: unknown;
  try {
    document = JSON.parse(text);
    const problem = jsonDepthError(text);
    if (problem !== undefined) throw invalidArgument(`invalid JSON: ${problem}`);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const problem = jsonSyntaxError(text) ?? messageOf(error);
    throw invalidArgument(problem === TRAILING_CONTENT ? problem : `invalid JSON: ${problem}`);
  }
  if (document === null) return { document: {}, bytes: Buffer.from('{}') };
  if (typeof document !== 'object' || Array.isArray(document)) {
    const kind = Array.isArray(document) ? 'array' : typeof document === 'boolean' ? 'bool' : typeof document;
    throw invalidArgument(`invalid JSON: json: cannot unmarshal ${kind} into Go value of an object type`);
  }
  const fields = document as Record<string, unknown>;
  return { document: fields, bytes: spellFieldNames(fields) ? Buffer.from(JSON.stringify(fields)) : bytes };
}

/**
 * All of a small body; the rest of a larger one is read and dropped, so that the client gets to the answer. Not as an async
 * iterator: that costs as much as all else that is done for a request.
 * @throws InvalidArgument
 */
export function readBytes(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_JSON_BYTES) chunks.push(chunk);
      else reject(new EngineError('InvalidArgument', 'http: request body too large'));
    });
    request.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    request.once('error', reject);
    request.once('close', () => {
      if (!request.complete) reject(new Error('the client went away'));
    });
  });
}
