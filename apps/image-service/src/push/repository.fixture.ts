import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { notFound } from '@gantry/shared/errors';
import type {
  BlobAnswer,
  CallOptions,
  FetchedManifest,
  Repository,
  UploadableBlob,
} from '../registry/registry';

/** A registry in memory, by the contract of the registry client, that remembers what it was asked for. */
export class FakeRegistry {
  /** Digests by repository. */
  readonly blobs = new Map<string, Map<string, Buffer>>();
  readonly manifests = new Map<string, FetchedManifest>();
  readonly uploads: string[] = [];
  /** What the next uploads end with. */
  failure?: Error;
  /** What it says that a manifest's digest is, where it lies. */
  computed?: string;
  /** How many uploads went on side by side. */
  mostAtOnce = 0;
  private running = 0;
  private gate: Promise<void> = Promise.resolve();
  private readonly arrivals = new EventEmitter();

  /** Uploads stand still until the returned function is called. */
  hold(): () => void {
    let release = () => {};
    this.gate = new Promise((resolve) => (release = resolve));
    return () => release();
  }

  /** So many uploads stand still. */
  async held(count: number): Promise<void> {
    while (this.running < count) await once(this.arrivals, 'upload');
  }

  repository(name: string): Repository {
    const own = this.blobsOf(name);
    return {
      name,
      host: name.slice(0, name.indexOf('/')),
      manifest: async (reference: string) => this.find(name, reference),
      describeManifest: async () => undefined,
      tags: async function* () {
        return;
      },
      blob: async (digest: string, range: { from: number }): Promise<BlobAnswer> => ({
        offset: range.from,
        body: Readable.from([own.get(digest)?.subarray(range.from)]),
      }),
      blobSize: async (digest: string) => own.get(digest)?.length,
      mountBlob: async (digest: string, from: string) => {
        const bytes = this.blobsOf(from).get(digest);
        if (bytes) own.set(digest, bytes);
        return bytes !== undefined;
      },
      uploadBlob: (blob: UploadableBlob, options?: CallOptions) => this.upload(own, blob, options),
      putManifest: async (reference: string, manifest: FetchedManifest) => {
        this.manifests.set(`${name}:${reference}`, manifest);
        return this.computed ?? manifest.digest;
      },
    };
  }

  blobsOf(name: string): Map<string, Buffer> {
    const found = this.blobs.get(name) ?? new Map<string, Buffer>();
    this.blobs.set(name, found);
    return found;
  }

  private find(name: string, reference: string): FetchedManifest {
    const found = this.manifests.get(`${name}:${reference}`);
    if (!found) throw notFound(`manifest for ${name}:${reference} not found`);
    return found;
  }

  private async upload(
    own: Map<string, Buffer>,
    blob: UploadableBlob,
    options: CallOptions = {},
  ): Promise<void> {
    if (this.failure) throw this.failure;
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.running);
    this.arrivals.emit('upload');
    await this.gate;
    this.running--;
    const parts: Buffer[] = [];
    for await (const part of blob.open(0)) {
      options.signal?.throwIfAborted();
      parts.push(part as Buffer);
    }
    const bytes = Buffer.concat(parts);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (digest !== blob.digest || bytes.length !== blob.size) throw new Error(`bad blob ${digest}`);
    blob.onProgress(bytes.length);
    this.uploads.push(digest);
    own.set(digest, bytes);
  }
}
