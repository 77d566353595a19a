import { lookup as lookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { forbidden } from '@gantry/shared/errors';
import type { Agent, Dispatcher } from 'undici';
import type { ImageSettings } from '../image-settings';
import { hostnameOf, isLinkLocal } from './addresses';
import { certificatesOf, type HostCertificates } from './certificates';
import { InsecureRegistries } from './insecure-registries';
import { connectionError } from './registry-errors';

export interface HttpRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  url: URL;
  headers: Record<string, string>;
  body?: Buffer | Readable;
  signal?: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  /** Names in lower case; of several the first. */
  headers: Record<string, string | undefined>;
  body: Readable;
  /** Where it came from in the end. */
  url: URL;
}

/** As dockerd. */
const MAX_ATTEMPTS = 5;
const MAX_REDIRECTS = 10;
const CONNECT_TIMEOUT_MS = 30_000;
/** Without a byte. */
const SILENCE_TIMEOUT_MS = 60_000;
const DISCARD_TIMEOUT_MS = 1_000;
/** Bytes. */
const MAX_DISCARDED = 64 * 1024;
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 60_000;
/** Worth another attempt where the request may be repeated. */
const PASSING_STATUS = [429, 500, 502, 503, 504];
const PASSING_CODES = [
  'ECONNRESET',
  'EPIPE',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
];

/**
 * HTTP to registries: certificates by host, redirects that take no credentials along, attempts. Addresses of the local link
 * are never talked to.
 */
export class Transport {
  /** By host, certificates and whether they are checked. */
  private readonly agents = new Map<string, Promise<Agent>>();

  readonly insecure: InsecureRegistries;

  constructor(private readonly settings: ImageSettings) {
    this.insecure = new InsecureRegistries(settings);
  }

  /** One exchange, repeated while the registry is busy, if it may be. @throws Unreachable in dockerd's words */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const isRepeatable = request.method === 'GET' || request.method === 'HEAD';
    for (let attempt = 1; ; attempt++) {
      const isLast = !isRepeatable || attempt === MAX_ATTEMPTS;
      let pause = Math.min(FIRST_PAUSE_MS * 2 ** attempt, MAX_PAUSE_MS) * (0.5 + Math.random() / 2);
      try {
        const answer = await this.follow(request);
        if (isLast || !PASSING_STATUS.includes(answer.status)) return answer;
        pause = retryAfter(answer) ?? pause;
        discard(answer);
      } catch (error) {
        request.signal?.throwIfAborted();
        const { code = '' } = (error as { cause?: { code?: string } }).cause ?? {};
        if (isLast || !PASSING_CODES.includes(code)) throw error;
      }
      await setTimeout(pause, undefined, { signal: request.signal });
    }
  }

  async close(): Promise<void> {
    for (const agent of this.agents.values()) await (await agent).destroy();
    this.agents.clear();
  }

  private async follow(request: HttpRequest): Promise<HttpAnswer> {
    let { url } = request;
    let headers = request.headers;
    for (let hop = 0; ; hop++) {
      const answer = await this.once({ ...request, url, headers });
      const location = answer.headers['location'];
      const isRedirect = [301, 302, 303, 307, 308].includes(answer.status) && location !== undefined;
      if (!isRedirect || (request.method !== 'GET' && request.method !== 'HEAD')) return answer;
      discard(answer);
      if (hop === MAX_REDIRECTS) throw forbidden('stopped after 10 redirects');
      const target = new URL(location, url);
      await this.checkRedirect(url, target);
      if (target.origin !== url.origin) headers = withoutCredentials(headers);
      url = target;
    }
  }

  private async checkRedirect(from: URL, to: URL): Promise<void> {
    if (to.protocol !== 'https:' && to.protocol !== 'http:') {
      throw forbidden(`the registry redirects to ${to.protocol}//, which is not followed`);
    }
    const isDowngrade = from.protocol === 'https:' && to.protocol === 'http:';
    if (isDowngrade && !(await this.insecure.has(to.host))) {
      throw forbidden(`the registry redirects from HTTPS to plain HTTP at ${to.host}, which is not followed`);
    }
  }

  private async once({ method, url, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
    refuseLinkLocal(url);
    const { request } = await import('undici');
    const dispatcher = await this.agent(url.host);
    let answer: Dispatcher.ResponseData;
    try {
      answer = await request(url, {
        method,
        headers: { 'user-agent': 'gantry', ...headers },
        ...(body && { body }),
        signal,
        dispatcher,
        headersTimeout: SILENCE_TIMEOUT_MS,
        bodyTimeout: SILENCE_TIMEOUT_MS,
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionError(method, url, error);
    }
    // Whoever reads it sees an error; one that nobody reads is of no interest, and must not end the process.
    answer.body.on('error', () => {});
    const entries = Object.entries(answer.headers).map(
      ([name, value]) => [name, Array.isArray(value) ? value[0] : value] as const,
    );
    return { status: answer.statusCode, headers: Object.fromEntries(entries), body: answer.body, url };
  }

  private async agent(host: string): Promise<Agent> {
    // Looked at each time, as dockerd does: a certificate counts from when it is there.
    const certificates = certificatesOf(this.settings.certificates, host);
    const isInsecure = await this.insecure.has(host);
    const key = JSON.stringify([host, certificates, isInsecure]);
    const known = this.agents.get(key) ?? this.createAgent(certificates, isInsecure);
    this.agents.set(key, known);
    known.catch(() => this.agents.delete(key));
    return known;
  }

  private async createAgent({ authorities, client }: HostCertificates, isInsecure: boolean): Promise<Agent> {
    const { Agent } = await import('undici');
    const { rootCertificates } = await import('node:tls');
    return new Agent({
      connectTimeout: CONNECT_TIMEOUT_MS,
      keepAliveTimeout: 10_000,
      connect: {
        lookup,
        ...(isInsecure && authorities.length === 0 && { rejectUnauthorized: false }),
        ...(authorities.length > 0 && { ca: [...rootCertificates, ...authorities] }),
        ...(client && { cert: client.certificate, key: client.key }),
      },
    });
  }
}

/** Nobody wants the body: a short one is read, so that the connection serves again. */
export function discard({ body }: Pick<HttpAnswer, 'body'>): void {
  body.resume();
  const wait = globalThis.setTimeout(() => body.destroy(), DISCARD_TIMEOUT_MS).unref();
  let length = 0;
  body.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > MAX_DISCARDED) body.destroy();
  });
  body.once('close', () => clearTimeout(wait));
}

function retryAfter(answer: HttpAnswer): number | undefined {
  const seconds = Number(answer.headers['retry-after']);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1000, MAX_PAUSE_MS) : undefined;
}

function withoutCredentials(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'authorization'));
}

export function refuseLinkLocal(url: URL): void {
  if (isLinkLocal(hostnameOf(url.host)))
    throw forbidden(`link-local address ${url.host} is not a registry's`);
}

/** Names count as what they resolve to. */
const lookup: LookupFunction = (hostname, options, callback) => {
  lookupAddress(hostname, options, (error, address, family) => {
    const addresses = Array.isArray(address) ? address : [{ address, family }];
    const bad = addresses.find((one) => one.address && isLinkLocal(one.address));
    if (bad) callback(forbidden(`${hostname} is the link-local address ${bad.address}`), '', 0);
    else callback(error, address as string, family);
  });
};
