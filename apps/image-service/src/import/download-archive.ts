import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { EngineError, invalidArgument, messageOf, notFound } from '@gantry/shared/errors';
import { BlobStore } from '../blobs/blob-store';
import { IMAGE_SETTINGS, type ImageSettings } from '../image-settings';
import type { ProgressLines } from '../progress/progress-lines';
import { reasonOf } from '../registry/registry-errors';
import { type HttpAnswer, Transport } from '../registry/transport';

/** Of the answer to a refused request, for the message. Bytes. */
const MAX_COMPLAINT = 1024;

/** Fetches what `docker import` takes from a URL. */
@Injectable()
export class DownloadArchive implements OnApplicationShutdown {
  private readonly transport: Transport;

  constructor(
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(IMAGE_SETTINGS) private readonly settings: ImageSettings,
  ) {
    this.transport = new Transport(settings);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.transport.close();
  }

  /** Nothing is left of it afterwards. @throws InvalidArgument for what cannot be fetched or is too large, NotFound for a 404 */
  async use<T>(
    url: URL,
    lines: ProgressLines,
    signal: AbortSignal,
    work: (path: string, lastModified: Date | undefined) => Promise<T>,
  ): Promise<T> {
    const path = this.blobs.temporaryPath();
    try {
      return await work(path, await this.fetch(url, path, lines, signal));
    } finally {
      await rm(path, { force: true });
    }
  }

  /** Returns when it was changed, where the server says so. */
  private async fetch(
    url: URL,
    path: string,
    lines: ProgressLines,
    signal: AbortSignal,
  ): Promise<Date | undefined> {
    const answer = await this.ask(url, signal);
    lines.message(`Downloading from ${url.href}`);
    const declared = Number(answer.headers['content-length'] ?? NaN);
    const total = Number.isSafeInteger(declared) ? declared : 0;
    const { maxBytes } = this.settings.layerLimits;
    let received = 0;
    const counting = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        received += chunk.length;
        lines.count('', 'Importing', received, total);
        if (received <= maxBytes) done(null, chunk);
        else
          done(invalidArgument(`archive is too large: more than ${maxBytes} bytes (GANTRY_LAYER_MAX_BYTES)`));
      },
    });
    try {
      await pipeline(answer.body, counting, createWriteStream(path, { flags: 'wx', mode: 0o600 }), {
        signal,
      });
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof EngineError
        ? error
        : invalidArgument(`${url.href}: ${reasonOf(url, error)}`, error);
    }
    const changed = new Date(answer.headers['last-modified'] ?? NaN);
    return Number.isNaN(changed.getTime()) ? undefined : changed;
  }

  private async ask(url: URL, signal: AbortSignal): Promise<HttpAnswer> {
    let answer: HttpAnswer;
    try {
      answer = await this.transport.send({
        method: 'GET',
        url,
        headers: { 'accept-encoding': 'identity' },
        signal,
      });
    } catch (error) {
      // The user's to mend, not to be tried again by the queue.
      if (error instanceof EngineError && error.kind === 'Unreachable') {
        throw invalidArgument(messageOf(error), error);
      }
      throw error;
    }
    if (answer.status < 400) return answer;
    const complaint = await beginningOf(answer);
    const text = `failed to GET ${url.href} with status ${answer.status}: ${complaint}`;
    throw answer.status === 404 ? notFound(text) : invalidArgument(text);
  }
}

async function beginningOf({ body }: HttpAnswer): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  // Leaving the loop ends the answer.
  for await (const chunk of body as AsyncIterable<Buffer>) {
    parts.push(chunk);
    length += chunk.length;
    if (length >= MAX_COMPLAINT) break;
  }
  return Buffer.concat(parts).toString('utf8', 0, MAX_COMPLAINT).trim();
}
