import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { EngineError, httpStatusOf, invalidArgument, messageOf, notFound } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { inLargePieces, written } from '@gantry/shared/streams';
import { BlobStore } from '../blobs/blob-store';
import { ExportImages } from '../export/export-images';
import { platformOfJson } from '../images/image-config';

/**
 * Bulk bytes over HTTP/1.1, several times as fast as gRPC: `PUT /uploads/<id>` (201) and `DELETE /uploads/<id>` (204) for
 * what a job will take, `GET /export?name=a&name=b&platform=<json>` for `docker save`. Errors are JSON `{kind, message}`.
 */
@Injectable()
export class DataServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private server?: Server;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(ExportImages) private readonly exporting: ExportImages,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const server = this.create();
    this.server = server;
    // An upload takes as long as it takes.
    server.requestTimeout = 0;
    const address = this.config.addresses.imageData;
    const path = address.startsWith('unix://') ? address.slice('unix://'.length) : undefined;
    if (path) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      rmSync(path, { force: true });
    }
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      if (path) server.listen(path, resolve);
      else server.listen(portOf(address), hostOf(address), resolve);
    });
    if (path) chmodSync(path, 0o600);
  }

  async onApplicationShutdown(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise<void>((resolve) => (this.server ? this.server.close(() => resolve()) : resolve()));
  }

  private create(): Server {
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      this.answer(request, response).catch((error: unknown) => this.fail(request, response, error));
    };
    if (this.config.addresses.imageData.startsWith('unix://')) return createPlainServer(onRequest);
    const tls = this.config.rpcTls;
    if (!tls)
      throw new Error('the image data address wants GANTRY_RPC_CA, GANTRY_RPC_CERT and GANTRY_RPC_KEY');
    const [ca, cert, key] = [tls.ca, tls.cert, tls.key].map((file) => readFileSync(file));
    return createTlsServer({ ca, cert, key, requestCert: true, rejectUnauthorized: true }, onRequest);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://image-data');
    const upload = /^\/uploads\/([^/]+)$/.exec(url.pathname)?.[1];
    if (upload !== undefined && request.method === 'PUT') return this.receive(upload, request, response);
    if (upload !== undefined && request.method === 'DELETE') {
      await rm(this.blobs.uploadPath(upload), { force: true });
      response.writeHead(204).end();
      return;
    }
    if (url.pathname === '/export' && request.method === 'GET') {
      return this.export(url.searchParams, response);
    }
    throw notFound('page not found');
  }

  /** Under its name only when it is whole: a job never sees half an upload. */
  private async receive(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = this.blobs.uploadPath(id);
    const partial = this.blobs.ownPath('part');
    try {
      const file = await open(partial, 'wx', 0o600);
      try {
        // What goes wrong is answered, on this connection.
        const source = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
        await inLargePieces(source, (piece) => file.writeFile(piece));
      } finally {
        await file.close();
      }
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    response.writeHead(201).end();
  }

  private async export(query: URLSearchParams, response: ServerResponse): Promise<void> {
    const names = query.getAll('name');
    if (names.length === 0) throw invalidArgument('no image is named');
    const platforms = query.getAll('platform').map(platformOfJson);
    const images = await this.exporting.resolve(
      names,
      platforms.filter((platform) => platform !== undefined),
    );
    response.writeHead(200, { 'content-type': 'application/x-tar' });
    await inLargePieces(this.exporting.write(images), (piece) => written(response, piece));
    response.end();
    this.exporting.announce(images);
  }

  private fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    // Nobody is left to be told, and nothing is wrong here.
    if (response.destroyed || response.socket?.destroyed) return;
    if (!(error instanceof EngineError)) {
      this.logger.error({ err: error, method: request.method, url: request.url }, 'data request failed');
    }
    if (response.headersSent) {
      // Too late to say it: a cut connection is how the reader learns that bytes are missing.
      response.destroy();
      return;
    }
    const kind = error instanceof EngineError ? error.kind : 'Internal';
    const answer = Buffer.from(JSON.stringify({ kind, message: messageOf(error) }));
    const headers = { 'content-type': 'application/json', 'content-length': answer.length };
    response.writeHead(httpStatusOf(error), headers).write(answer);
    // Who still sends would find the connection closed instead of the answer.
    if (request.complete) response.end();
    else request.resume().once('close', () => response.end());
  }
}

const hostOf = (address: string): string => new URL(address).hostname.replace(/^\[|\]$/g, '');
const portOf = (address: string): number => Number(new URL(address).port);
