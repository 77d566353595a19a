import { createHash } from 'node:crypto';
import { forbidden, invalidArgument } from '@gantry/shared/errors';
import { readBody } from './body';
import { type Challenge, parseChallenges } from './challenge';
import type { RegistryCredentials } from './registry';
import { registryErrorOf } from './registry-errors';
import { refuseLinkLocal, type Transport } from './transport';

const CLIENT_ID = 'docker';
const MAX_TOKEN = 1024 * 1024;
/** Seconds; where the answer does not say (distribution, "Token Authentication Specification"). */
const DEFAULT_EXPIRY = 60;
/** A token that is about to end is not used any more. Milliseconds. */
const MARGIN_MS = 10_000;

interface Token {
  value: string;
  refresh?: string;
  expires: number;
}

interface TokenDocument {
  token?: string;
  access_token?: string;
  refresh_token?: string;
  expires_in?: number;
}

/** What a registry asks for before it answers: remembers how each host wants it, and its tokens. */
export class Authorizer {
  private readonly challenges = new Map<string, Challenge[]>();
  private readonly tokens = new Map<string, Token>();

  constructor(private readonly transport: Transport) {}

  /** The header to send to a host; undefined where nothing is known to be wanted. */
  async header(
    host: string,
    credentials: RegistryCredentials | undefined,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    if (credentials?.registrytoken) return `Bearer ${credentials.registrytoken}`;
    const challenges = this.challenges.get(host) ?? [];
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer) return `Bearer ${(await this.token(bearer, credentials, scopes, signal)).value}`;
    const user = userOf(credentials);
    if (user && challenges.some(({ scheme }) => scheme === 'basic')) return basic(user);
    return undefined;
  }

  /** Takes note of a 401. False: there is nothing that would make a second request go better. */
  learn(host: string, header: string | undefined, sent: string | undefined): boolean {
    if (sent?.startsWith('Bearer ')) {
      for (const [key, token] of this.tokens) if (sent === `Bearer ${token.value}`) this.tokens.delete(key);
    }
    const challenges = parseChallenges(header ?? '');
    const isKnown = this.challenges.has(host);
    this.challenges.set(host, challenges);
    return challenges.length > 0 && (!isKnown || sent === undefined || sent.startsWith('Bearer '));
  }

  /** A token for good, where the registry gives such. @throws RegistryError for wrong credentials */
  async refreshToken(
    host: string,
    credentials: RegistryCredentials,
    signal?: AbortSignal,
  ): Promise<string | undefined> {
    const bearer = this.challenges.get(host)?.find(({ scheme }) => scheme === 'bearer');
    if (!bearer) return undefined;
    return (await this.fetch(bearer, credentials, [], true, signal)).refresh;
  }

  private async token(
    challenge: Challenge,
    credentials: RegistryCredentials | undefined,
    scopes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const who = createHash('sha256')
      .update(JSON.stringify(credentials ?? null))
      .digest('hex');
    const { parameters } = challenge;
    const key = JSON.stringify([parameters.get('realm'), parameters.get('service'), scopes, who]);
    const known = this.tokens.get(key);
    if (known && known.expires > Date.now() + MARGIN_MS) return known;
    const token = await this.fetch(challenge, credentials, scopes, false, signal);
    this.tokens.set(key, token);
    return token;
  }

  private async fetch(
    { parameters }: Challenge,
    credentials: RegistryCredentials | undefined,
    scopes: readonly string[],
    isForGood: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Token> {
    const realm = await this.realm(parameters.get('realm') ?? '');
    const service = parameters.get('service') ?? '';
    const answer = credentials?.identitytoken
      ? await this.post(realm, service, scopes, credentials.identitytoken, signal)
      : await this.get(realm, service, scopes, credentials, isForGood, signal);
    const text = (await readBody(answer.body, MAX_TOKEN)).toString('utf8');
    if (answer.status !== 200) throw registryErrorOf(answer.status === 400 ? 401 : answer.status, text);
    const document = JSON.parse(text) as TokenDocument;
    const value = document.token ?? document.access_token;
    if (!value) throw invalidArgument('authorization server did not include a token in the response');
    const expires = Date.now() + (document.expires_in ?? DEFAULT_EXPIRY) * 1000;
    return { value, refresh: document.refresh_token, expires };
  }

  private get(
    realm: URL,
    service: string,
    scopes: readonly string[],
    credentials: RegistryCredentials | undefined,
    isForGood: boolean,
    signal: AbortSignal | undefined,
  ) {
    const url = new URL(realm);
    if (service) url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const user = userOf(credentials);
    if (user) url.searchParams.set('account', user.name);
    if (isForGood) {
      url.searchParams.set('offline_token', 'true');
      url.searchParams.set('client_id', CLIENT_ID);
    }
    const headers: Record<string, string> = user ? { authorization: basic(user) } : {};
    return this.transport.send({ method: 'GET', url, headers, signal });
  }

  /** OAuth2 with a refresh token (distribution, "OAuth2 Token Authentication"). */
  private post(
    url: URL,
    service: string,
    scopes: readonly string[],
    refreshToken: string,
    signal: AbortSignal | undefined,
  ) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
      service,
      client_id: CLIENT_ID,
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.transport.send({ method: 'POST', url, headers, body: Buffer.from(form.toString()), signal });
  }

  /** Where the password goes: another host is usual (auth.docker.io), plain HTTP to it is not taken. */
  private async realm(text: string): Promise<URL> {
    let url: URL;
    try {
      url = new URL(text);
    } catch (error) {
      throw invalidArgument(`invalid realm in the registry's challenge: ${JSON.stringify(text)}`, error);
    }
    refuseLinkLocal(url);
    const isPlain = url.protocol === 'http:' && (await this.transport.insecure.has(url.host));
    if (url.protocol !== 'https:' && !isPlain) {
      throw forbidden(`the registry sends credentials to ${url.origin}, which is not HTTPS: refused`);
    }
    return url;
  }
}

interface User {
  name: string;
  password: string;
}

function userOf(credentials: RegistryCredentials | undefined): User | undefined {
  if (credentials?.username) return { name: credentials.username, password: credentials.password ?? '' };
  if (!credentials?.auth) return undefined;
  const decoded = Buffer.from(credentials.auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 1) return undefined;
  return { name: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

const basic = ({ name, password }: User): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
