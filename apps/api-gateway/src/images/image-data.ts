import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { EngineError, ERROR_KINDS, type ErrorKind, messageOf, unavailable } from '@gantry/shared/errors';
import { Peers } from '@gantry/shared/grpc';
import { inLargePieces, written } from '@gantry/shared/streams';

/** Errors of the data socket: `{"kind": ..., "message": ...}`. */
interface DataError {
  kind?: string;
  message?: string;
}

/** After so long in which nothing moves image-service is asked whether it is there at all. Milliseconds. */
const SILENCE_MS = 10_000;
/** How long it may take to say so. Milliseconds. */
const HEALTH_MS = 20_000;

/** The HTTP socket of image-service for bytes in bulk, which gRPC would slow down (docs/architecture.md). */
@Injectable()
export class ImageData {
  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(Peers) private readonly peers: Peers,
  ) {}

  /** Stores the bytes under `id` for a job to take. @throws EngineError; a source that breaks leaves nothing behind. */
  async upload(id: string, source: Readable): Promise<void> {
    const request = await this.request('PUT', `/uploads/${id}`);
    const response = answerOf(request);
    let early: IncomingMessage | undefined;
    response.then(
      (answer) => (early = answer),
      () => {},
    );
    try {
      await inLargePieces(source, async (piece) => {
        await Promise.race([written(request, piece), response]);
        if (early) throw new Error('it answered before the end');
      });
      request.end();
    } catch (error) {
      if (early) await checkAnswer(early);
      throw unavailable(`image-service did not take the upload: ${messageOf(error)}`, error);
    } finally {
      // Half an upload must not look whole.
      if (!request.writableEnded) request.destroy();
    }
    const answer = await response;
    await checkAnswer(answer);
    answer.resume();
  }

  /** The same under a new id, which is returned. */
  async store(source: Readable): Promise<string> {
    const id = randomUUID();
    await this.upload(id, source);
    return id;
  }

  /** Stores a text for a job, such as a header with credentials, and returns its id: empty for an empty text. */
  async storeText(text: string): Promise<string> {
    return text === '' ? '' : this.store(Readable.from([Buffer.from(text)]));
  }

  /** Drops an upload that no job will take. */
  async discard(id: string): Promise<void> {
    const request = await this.request('DELETE', `/uploads/${id}`);
    request.end();
    const answer = await answerOf(request);
    answer.resume();
  }

  /** The images as a tar archive (API: ImageGet). @throws EngineError of image-service. */
  async export(names: string[], platforms: string[], signal: AbortSignal): Promise<IncomingMessage> {
    const query = new URLSearchParams();
    for (const name of names) query.append('name', name);
    for (const platform of platforms) query.append('platform', platform);
    const request = await this.request('GET', `/export?${query.toString()}`, signal);
    request.end();
    const answer = await answerOf(request);
    await checkAnswer(answer);
    return answer;
  }

  /** A service that starts listens here before it takes calls. */
  private async request(method: string, path: string, signal?: AbortSignal): Promise<http.ClientRequest> {
    await this.peers.image.connected();
    const request = this.begin(method, path, signal);
    request.setTimeout(SILENCE_MS).on('timeout', () => {
      this.peers.image.answers(HEALTH_MS).then(
        () => request.setTimeout(SILENCE_MS),
        () => request.destroy(new Error('it does not answer')),
      );
    });
    return request;
  }

  private begin(method: string, path: string, signal?: AbortSignal): http.ClientRequest {
    const address = this.config.addresses.imageData;
    // A kept connection may be one to an earlier life of the service.
    const options: RequestOptions = { method, path, signal, agent: false };
    if (address.startsWith('unix://')) {
      return http.request({ ...options, socketPath: address.slice('unix://'.length) });
    }
    const { hostname, port } = new URL(address);
    const tls = this.config.rpcTls;
    if (!tls)
      throw unavailable(`service address ${address} wants GANTRY_RPC_CA, GANTRY_RPC_CERT and GANTRY_RPC_KEY`);
    return https.request({
      ...options,
      hostname,
      port,
      ca: readFileSync(tls.ca),
      cert: readFileSync(tls.cert),
      key: readFileSync(tls.key),
      servername: 'localhost', // as the gRPC channels: certificates of the services name it
    });
  }
}

function answerOf(request: http.ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', (error) =>
      reject(unavailable(`image-service is not reachable: ${error.message}`, error)),
    );
  });
}

async function checkAnswer(answer: IncomingMessage): Promise<void> {
  if ((answer.statusCode ?? 500) < 400) return;
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  let error: DataError = {};
  try {
    error = JSON.parse(text) as DataError;
  } catch {
    error = { message: text };
  }
  const kind = (ERROR_KINDS as readonly string[]).includes(error.kind ?? '') ? error.kind : 'Internal';
  throw new EngineError(kind as ErrorKind, error.message ?? `image-service answered ${answer.statusCode}`);
}
