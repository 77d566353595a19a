import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as plainRequest, type IncomingHttpHeaders } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificates, makeCertificates } from './certificates';
import { eventually } from './eventually';
import { TokenServer } from './token-server';

/** `user:secret`; a registry takes bcrypt only, and nothing of the tests makes it. */
const HTPASSWD = 'user:$2y$04$TH2emujv.WgKVqWzcmKN4.usoR2r9Awh.Jm1Ky2uBAFecVKFo0SzO\n';

export interface RegistryOptions {
  tls?: boolean;
  /** Only clients with a certificate of the CA are let in. */
  clientCertificates?: boolean;
  auth?: 'basic' | 'token';
}

export interface RegistryAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Debian's docker-registry on a free port of loopback, with a storage of its own. Its user is `user`, `secret`. */
export class TestRegistry {
  private constructor(
    /** `127.0.0.1:<port>`, what image names begin with. */
    readonly host: string,
    readonly certificates: Certificates | undefined,
    readonly tokens: TokenServer | undefined,
    private readonly auth: RegistryOptions['auth'],
    private readonly directory: string,
    private readonly process: ChildProcess,
  ) {}

  static async start({ tls = false, clientCertificates, auth }: RegistryOptions = {}): Promise<TestRegistry> {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-registry-'));
    const certificates = tls || auth === 'token' ? makeCertificates(directory) : undefined;
    const tokens = auth === 'token' && certificates ? await TokenServer.start(certificates) : undefined;
    const host = `127.0.0.1:${await freePort()}`;
    writeFileSync(join(directory, 'htpasswd'), HTPASSWD);
    const htpasswd = { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } };
    const configuration = {
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, 'storage') }, delete: { enabled: true } },
      http: {
        addr: host,
        relativeurls: true,
        ...(tls && certificates
          ? {
              tls: {
                certificate: certificates.cert,
                key: certificates.key,
                ...(clientCertificates ? { clientcas: [certificates.ca] } : {}),
              },
            }
          : {}),
      },
      ...(auth ? { auth: tokens?.configuration ?? htpasswd } : {}),
    };
    // YAML, of which JSON is a part.
    writeFileSync(join(directory, 'config.yml'), JSON.stringify(configuration));
    const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], { stdio: 'ignore' });
    const registry = new TestRegistry(host, tls ? certificates : undefined, tokens, auth, directory, child);
    await eventually(async () => {
      const { status } = await registry.request('GET', '/v2/');
      if (status !== 200) throw new Error(`the registry answers ${status}`);
    });
    return registry;
  }

  get url(): string {
    return `${this.certificates ? 'https' : 'http'}://${this.host}`;
  }

  /** One request, with all rights. `path` may be a whole URL. */
  request(
    method: string,
    path: string,
    options: { body?: Buffer; headers?: Record<string, string> } = {},
  ): Promise<RegistryAnswer> {
    const url = new URL(path, this.url);
    const call = url.protocol === 'https:' ? tlsRequest : plainRequest;
    const [ca, cert, key] = this.certificates
      ? [this.certificates.ca, this.certificates.cert, this.certificates.key].map((file) =>
          readFileSync(file),
        )
      : [];
    const headers = { ...this.authorization(url.pathname), ...options.headers };
    return new Promise((resolve, reject) => {
      const outgoing = call(url, { method, headers, ca, cert, key }, (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        incoming.once('error', reject);
        incoming.once('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(parts),
          }),
        );
      });
      outgoing.once('error', reject);
      outgoing.end(options.body);
    });
  }

  async putBlob(repository: string, digest: string, bytes: Buffer): Promise<void> {
    const begun = await this.request('POST', `/v2/${repository}/blobs/uploads/`);
    const location = new URL(begun.headers.location ?? '', this.url);
    location.searchParams.set('digest', digest);
    const headers = { 'content-type': 'application/octet-stream', 'content-length': `${bytes.length}` };
    const { status, body } = await this.request('PUT', location.href, { body: bytes, headers });
    if (status !== 201) throw new Error(`the registry took no blob: ${status} ${body.toString()}`);
  }

  async putManifest(repository: string, reference: string, mediaType: string, bytes: Buffer): Promise<void> {
    const { status, body } = await this.request('PUT', `/v2/${repository}/manifests/${reference}`, {
      body: bytes,
      headers: { 'content-type': mediaType },
    });
    if (status !== 201) throw new Error(`the registry took no manifest: ${status} ${body.toString()}`);
  }

  async stop(): Promise<void> {
    const ended = this.process.exitCode === null ? once(this.process, 'exit') : undefined;
    this.process.kill('SIGKILL');
    await ended;
    await this.tokens?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private authorization(path: string): Record<string, string> {
    if (this.auth === 'basic')
      return { authorization: `Basic ${Buffer.from('user:secret').toString('base64')}` };
    if (!this.tokens) return {};
    const repository = /^\/v2\/(.+)\/(blobs|manifests|tags)\//.exec(path)?.[1];
    const scopes = repository ? [`repository:${repository}:pull,push`] : [];
    return { authorization: `Bearer ${this.tokens.token(scopes, 'user')}` };
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
