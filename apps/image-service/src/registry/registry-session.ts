import type { Readable } from 'node:stream';
import type { ImageSettings } from '../image-settings';
import type { Authorizer } from './authorizer';
import { readBody } from './body';
import type { RegistryCredentials } from './registry';
import { registryErrorOf } from './registry-errors';
import { discard, type HttpAnswer, type HttpRequest, type Transport } from './transport';

export const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_REGISTRY_HOST = 'registry-1.docker.io';
const MAX_ERROR = 64 * 1024;

/** One address of a registry. */
interface Endpoint {
  /** `https://host[:port]` */
  origin: string;
  isMirror: boolean;
}

export interface SessionRequest {
  method: HttpRequest['method'];
  /** `/v2/...`, or whole where the registry gave it. */
  path: string;
  headers?: Record<string, string>;
  body?: Buffer | Readable;
  scopes?: readonly string[];
  signal?: AbortSignal;
}

/**
 * Requests of one user to one registry: its mirrors first where it has any, HTTPS before HTTP where that may be, and the
 * credentials it asks for.
 */
export class RegistrySession {
  private endpoints?: Promise<Endpoint[]>;
  /** The one of the registry itself that has answered. */
  private chosen?: Endpoint;

  constructor(
    readonly domain: string,
    private readonly credentials: RegistryCredentials | undefined,
    private readonly transport: Transport,
    private readonly authorizer: Authorizer,
    private readonly settings: Pick<ImageSettings, 'mirrors'>,
    private readonly withMirrors: boolean,
  ) {}

  /** The answer, if it is one of `expected`. @throws RegistryError, Unreachable where nobody answers */
  async ask(request: SessionRequest, expected: number[]): Promise<HttpAnswer> {
    let failure: unknown;
    this.endpoints ??= this.allEndpoints();
    const chosen = this.chosen;
    for (const endpoint of await this.endpoints) {
      if (chosen && !endpoint.isMirror && endpoint !== chosen) continue;
      try {
        const answer = await this.authorized(endpoint, request);
        if (!expected.includes(answer.status)) throw await refusal(answer);
        if (!endpoint.isMirror) this.chosen = endpoint;
        return answer;
      } catch (error) {
        request.signal?.throwIfAborted();
        if (failure === undefined || isUnreachable(failure)) failure = error;
        if (!endpoint.isMirror && !isUnreachable(error)) throw failure;
      }
    }
    throw failure;
  }

  private async authorized(endpoint: Endpoint, request: SessionRequest): Promise<HttpAnswer> {
    const { method, path, body, signal, scopes = [] } = request;
    const url = new URL(path, endpoint.origin);
    // What the registry itself named may lie elsewhere: nobody else gets its credentials.
    const isOwn = url.origin === endpoint.origin;
    const credentials = endpoint.isMirror || !isOwn ? undefined : this.credentials;
    for (let attempt = 0; ; attempt++) {
      const authorization = isOwn
        ? await this.authorizer.header(url.origin, credentials, scopes, signal)
        : undefined;
      const headers = { ...request.headers, ...(authorization && { authorization }) };
      const answer = await this.transport.send({ method, url, headers, body, signal });
      if (answer.status !== 401 || attempt > 0 || !isOwn) return answer;
      const wants = this.authorizer.learn(url.origin, answer.headers['www-authenticate'], authorization);
      // A stream cannot be sent twice; whoever sends one tries again by himself.
      if (!wants || (body && !Buffer.isBuffer(body))) return answer;
      discard(answer);
    }
  }

  private async allEndpoints(): Promise<Endpoint[]> {
    const host = this.domain === DEFAULT_REGISTRY ? DEFAULT_REGISTRY_HOST : this.domain;
    const schemes = (await this.transport.insecure.has(host)) ? ['https', 'http'] : ['https'];
    const mirrors = this.withMirrors && this.domain === DEFAULT_REGISTRY ? this.settings.mirrors : [];
    return [
      ...mirrors.map((url) => ({ origin: new URL(url).origin, isMirror: true })),
      ...schemes.map((scheme) => ({ origin: `${scheme}://${host}`, isMirror: false })),
    ];
  }
}

async function refusal(answer: HttpAnswer): Promise<Error> {
  const text = (await readBody(answer.body, MAX_ERROR).catch(() => Buffer.alloc(0))).toString('utf8');
  return registryErrorOf(answer.status, text);
}

const isUnreachable = (error: unknown): boolean => (error as { kind?: string }).kind === 'Unreachable';
