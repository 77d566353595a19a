import { mkdtempSync, rmSync } from 'node:fs';
import http, { type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import {
  ContainerServiceService,
  type ContainerServiceServer,
  ExecServiceService,
  type ExecServiceServer,
} from '@gantry/proto/container';
import {
  BuildCacheServiceService,
  type BuildCacheServiceServer,
  ImageServiceService,
  type ImageServiceServer,
} from '@gantry/proto/image';
import { NetworkServiceService, type NetworkServiceServer } from '@gantry/proto/network';
import { VolumeServiceService, type VolumeServiceServer } from '@gantry/proto/volume';
import { notImplemented } from '@gantry/shared/errors';
import { GrpcServer, type Implementation, registration } from '@gantry/shared/grpc';
import { NestLogger, createLogger } from '@gantry/shared/logging';
import { createGatewayApplication } from './gateway-application';
import { ApiListeners } from './listen/api-listeners';

/** The services behind the gateway, as far as a spec needs them. */
export interface FakeServices {
  containers?: Partial<Implementation<ContainerServiceServer>>;
  execs?: Partial<Implementation<ExecServiceServer>>;
  images?: Partial<Implementation<ImageServiceServer>>;
  buildCache?: Partial<Implementation<BuildCacheServiceServer>>;
  networks?: Partial<Implementation<NetworkServiceServer>>;
  volumes?: Partial<Implementation<VolumeServiceServer>>;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A gateway on a unix socket in a directory of its own, with fake services on sockets beside it. */
export class GatewayFixture {
  readonly socketPath: string;
  private constructor(
    readonly directory: string,
    private readonly app: INestApplication,
    private readonly listeners: ApiListeners,
    private readonly servers: GrpcServer[],
  ) {
    this.socketPath = join(directory, 'docker.sock');
  }

  static async start(services: FakeServices): Promise<GatewayFixture> {
    const directory = mkdtempSync(join(tmpdir(), 'gateway-'));
    process.env['GANTRY_RUN_DIR'] = directory;
    process.env['GANTRY_LOG_LEVEL'] = 'fatal';
    const serve = async (name: string, ...registrations: ReturnType<typeof registration>[]) => {
      const server = new GrpcServer(`unix://${join(directory, `${name}.sock`)}`, undefined, registrations);
      await server.listen();
      return server;
    };
    const servers = await Promise.all([
      serve(
        'container',
        registration<ContainerServiceServer>(ContainerServiceService, whole(services.containers)),
        registration<ExecServiceServer>(ExecServiceService, whole(services.execs)),
      ),
      serve(
        'image',
        registration<ImageServiceServer>(ImageServiceService, whole(services.images)),
        registration<BuildCacheServiceServer>(BuildCacheServiceService, whole(services.buildCache)),
      ),
      serve('network', registration<NetworkServiceServer>(NetworkServiceService, whole(services.networks))),
      serve('volume', registration<VolumeServiceServer>(VolumeServiceService, whole(services.volumes))),
    ]);
    const { app, listener } = await createGatewayApplication(
      new NestLogger(createLogger('api-gateway', 'fatal')),
    );
    const hosts = [`unix://${join(directory, 'docker.sock')}`];
    const config = {
      hosts,
      inherited: new Map(),
      socketGroup: 'docker',
      allowPlainTcp: false,
      experimental: false,
    };
    const listeners = new ApiListeners(config, listener);
    await listeners.open();
    return new GatewayFixture(directory, app, listeners, servers);
  }

  async stop(): Promise<void> {
    await this.listeners.close(50);
    await this.app.close();
    await Promise.all(this.servers.map((server) => server.close(50)));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** One request, its whole answer. An object as body is sent as JSON. */
  ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const raw = typeof body === 'string' || Buffer.isBuffer(body);
    const bytes = body === undefined ? undefined : raw ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = http.request({ socketPath: this.socketPath, method, path, agent: false, headers });
      if (bytes !== undefined && !headers['Content-Type'])
        request.setHeader('Content-Type', 'application/json');
      request.once('error', reject);
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      });
      request.end(bytes);
    });
  }

  /** A connection of bytes. */
  raw(): RawClient {
    return new RawClient(connect({ path: this.socketPath, allowHalfOpen: true }));
  }
}

/** A client that sees every byte. */
export class RawClient {
  received: Buffer = Buffer.alloc(0);
  ended = false;
  private readonly waiting = new Set<() => void>();

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    socket.on('end', () => {
      this.ended = true;
      this.wake();
    });
    socket.on('error', () => {});
  }

  send(text: string | Buffer): void {
    this.socket.write(text);
  }

  /** What has come, once `condition` holds. */
  async until(condition: (text: string) => boolean): Promise<string> {
    for (;;) {
      const text = this.received.toString('latin1');
      if (condition(text)) return text;
      if (this.ended) throw new Error(`the connection ended with: ${text}`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  /** Everything, once the server hung up. */
  async end(): Promise<string> {
    while (!this.ended) await new Promise<void>((resolve) => this.waiting.add(resolve));
    this.socket.end();
    return this.received.toString('latin1');
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}

/** A head and a body of raw bytes received over HTTP. */
export function splitHead(text: string): { head: string; body: string } {
  const end = text.indexOf('\r\n\r\n');
  return { head: text.slice(0, end), body: text.slice(end + 4) };
}

function whole<T extends object>(part: T | undefined): Required<T> {
  const missing = async () => {
    throw notImplemented('this spec has no such method');
  };
  return new Proxy(part ?? {}, {
    get: (target, name) => (target as Record<string | symbol, unknown>)[name] ?? missing,
  }) as Required<T>;
}
