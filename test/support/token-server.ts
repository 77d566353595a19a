import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Certificates } from './certificates';

const ISSUER = 'test issuer';
const SERVICE = 'test registry';

/** What somebody asked the token server for. */
export interface TokenRequest {
  method: string;
  authorization?: string;
  /** Of the query or of the form. */
  parameters: URLSearchParams;
}

/**
 * Gives tokens for `user:secret` (basic auth, or OAuth2's password and refresh_token grants), and to anybody tokens for pulling
 * (distribution, docs/spec/auth/token.md and oauth.md).
 */
export class TokenServer {
  readonly requests: TokenRequest[] = [];
  readonly refreshToken = randomUUID();

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    private readonly certificates: Certificates,
  ) {}

  static async start(certificates: Certificates): Promise<TokenServer> {
    const server = createServer((request, response) => {
      tokens.answer(request, response).catch(() => response.destroy());
    });
    const tokens = new TokenServer(server, certificates);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return tokens;
  }

  /** The `auth` part of a registry's configuration. */
  get configuration(): object {
    return {
      token: {
        realm: `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/token`,
        service: SERVICE,
        issuer: ISSUER,
        rootcertbundle: this.certificates.ca,
      },
    };
  }

  /** A token for the scopes, as JWT. Seconds. */
  token(scopes: string[], subject: string, lifetime = 60): string {
    const { cert, key } = this.certificates;
    const now = Math.floor(Date.now() / 1000);
    const header = {
      typ: 'JWT',
      alg: 'ES256',
      x5c: [new X509Certificate(readFileSync(cert)).raw.toString('base64')],
    };
    const claims = {
      iss: ISSUER,
      aud: SERVICE,
      sub: subject,
      jti: randomUUID(),
      iat: now,
      nbf: now - 10,
      exp: now + lifetime,
      access: scopes.map(accessOf),
    };
    const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
    const signature = sign('sha256', Buffer.from(signed.join('.')), {
      key: createPrivateKey(readFileSync(key)),
      dsaEncoding: 'ieee-p1363',
    });
    return [...signed, signature.toString('base64url')].join('.');
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const query = new URL(request.url ?? '', 'http://tokens').searchParams;
    const parameters = parts.length > 0 ? new URLSearchParams(Buffer.concat(parts).toString()) : query;
    const { authorization } = request.headers;
    this.requests.push({ method: request.method ?? '', authorization, parameters });
    const user = this.userOf(authorization, parameters);
    const scopes = parameters.getAll('scope').flatMap((scope) => scope.split(' '));
    if (user === undefined) {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'bad username or password' }] }),
      );
      return;
    }
    const granted = user === '' ? scopes.filter((scope) => /:pull$/.test(scope)) : scopes;
    const token = this.token(granted, user);
    const offline = parameters.get('access_type') === 'offline' || parameters.get('offline_token') === 'true';
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        token,
        access_token: token,
        expires_in: 60,
        ...(offline && user !== '' ? { refresh_token: this.refreshToken } : {}),
      }),
    );
  }

  /** Empty: anybody; undefined: a wrong password. */
  private userOf(authorization: string | undefined, parameters: URLSearchParams): string | undefined {
    if (parameters.get('grant_type') === 'refresh_token') {
      return parameters.get('refresh_token') === this.refreshToken ? 'user' : undefined;
    }
    const given =
      parameters.get('grant_type') === 'password'
        ? `${parameters.get('username')}:${parameters.get('password')}`
        : Buffer.from(authorization?.replace(/^Basic /, '') ?? '', 'base64').toString();
    if (given === '') return '';
    return given === 'user:secret' ? 'user' : undefined;
  }
}

/** `repository:library/busybox:pull,push` */
function accessOf(scope: string): object {
  const first = scope.indexOf(':');
  const last = scope.lastIndexOf(':');
  return {
    type: scope.slice(0, first),
    name: scope.slice(first + 1, last),
    actions: scope.slice(last + 1).split(','),
  };
}
