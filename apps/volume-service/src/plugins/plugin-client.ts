import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { EngineError, internal, messageOf, unavailable } from '@gantry/shared/errors';
import type { PluginAddress } from './plugin-discovery';

/** Docker's plugin API, version 1.2: what plugins of either generation take. */
const MEDIA_TYPE = 'application/vnd.docker.plugins.v1.2+json';
/** Bytes of an answer; a list of 50,000 volumes is smaller. */
const LARGEST_ANSWER = 16 * 1024 * 1024;

/** What a plugin itself says went wrong. */
export class PluginError extends EngineError {
  constructor(method: string, reported: string) {
    super('Internal', `${method}: ${reported}`);
  }
}

/**
 * One call of Docker's plugin protocol: POST of JSON, answered with JSON in which `Err` is an error. Every call has its
 * own connection, so that one which hangs holds up nothing else.
 * @throws Unavailable for a plugin that is not there or takes longer than `limitMs`; PluginError for what it reports; Internal
 *   for answers that are none.
 */
export async function callPlugin<T extends object>(
  plugin: PluginAddress,
  method: string,
  body: object,
  limitMs: number,
): Promise<T> {
  const signal = AbortSignal.timeout(limitMs);
  const name = JSON.stringify(plugin.name);
  let answer: { status: number; text: string };
  try {
    answer = await post(plugin, method, JSON.stringify(body), signal);
  } catch (error) {
    const why = signal.aborted
      ? `did not answer within ${limitMs / 1000} s`
      : `cannot be reached: ${messageOf(error)}`;
    throw unavailable(`${method}: plugin ${name} ${why}`, error);
  }
  const { status, text } = answer;
  const document = parse(text);
  if (document?.Err) throw new PluginError(method, String(document.Err));
  if (status !== 200) {
    throw internal(`${method}: plugin ${name} answered ${status}: ${excerpt(text)}`);
  }
  if (!document) throw internal(`${method}: plugin ${name} answered with no JSON object: ${excerpt(text)}`);
  return document as T;
}

function post(
  { url, tls }: PluginAddress,
  method: string,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      path: `/${method}`,
      signal,
      agent: false as const,
      headers: {
        accept: MEDIA_TYPE,
        'content-type': MEDIA_TYPE,
        'content-length': Buffer.byteLength(body),
        host: 'plugin.moby.localhost',
      },
    };
    const outgoing = open(url, tls, options);
    outgoing.once('error', reject);
    outgoing.once('response', (incoming) => collect(incoming).then(resolve, reject));
    outgoing.end(body);
  });
}

function open(url: string, tls: PluginAddress['tls'], options: object): ClientRequest {
  if (url.startsWith('unix://')) return httpRequest({ ...options, socketPath: url.slice('unix://'.length) });
  const { hostname, port } = new URL(url.replace(/^tcp:/, 'http:'));
  const secure = tls !== undefined || url.startsWith('https:');
  const place = { ...options, hostname, port: port || (secure ? 443 : 80) };
  return secure ? httpsRequest({ ...place, ...tls }) : httpRequest(place);
}

async function collect(incoming: IncomingMessage): Promise<{ status: number; text: string }> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of incoming) {
    length += (part as Buffer).length;
    if (length > LARGEST_ANSWER) throw new Error(`the answer is longer than ${LARGEST_ANSWER} bytes`);
    parts.push(part as Buffer);
  }
  return { status: incoming.statusCode ?? 0, text: Buffer.concat(parts).toString() };
}

function parse(text: string): { Err?: string } | undefined {
  try {
    const document: unknown = JSON.parse(text || '{}');
    return typeof document === 'object' && document !== null ? document : undefined;
  } catch {
    return undefined;
  }
}

const excerpt = (text: string): string => JSON.stringify(text.slice(0, 200).trim());
