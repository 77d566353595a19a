import { dataLoss, invalidArgument, unreachable } from '@gantry/shared/errors';
import { digestOf } from '../blobs/blob-store';
import { MANIFEST_TYPES } from '../manifests/media-types';
import { familiar, familiarRepository, isDigest } from '../references/reference';
import { readBody } from './body';
import { uploadBlob } from './blob-upload';
import type {
  BlobAnswer,
  CallOptions,
  FetchedManifest,
  ManifestDescriptor,
  Repository,
  UploadableBlob,
} from './registry';
import { engineErrorOf, pullError, RegistryError } from './registry-errors';
import type { RegistrySession } from './registry-session';
import { discard, type HttpAnswer } from './transport';

/** Bytes; what registries themselves allow. */
const MAX_MANIFEST = 4 * 1024 * 1024;
const MAX_TAG_PAGE = 4 * 1024 * 1024;
const MAX_TAG_PAGES = 1000;
/** Schema 1 too, so that it is refused for what it is. */
const ACCEPT = [...MANIFEST_TYPES, 'application/vnd.docker.distribution.manifest.v1+prettyjws', '*/*'].join(
  ', ',
);

/** OCI distribution-spec on one repository. */
export class RegistryRepository implements Repository {
  readonly host: string;
  private readonly path: string;

  constructor(
    /** Canonical. */
    readonly name: string,
    private readonly session: RegistrySession,
    private readonly access: 'pull' | 'push',
  ) {
    this.host = session.domain;
    this.path = name.slice(name.indexOf('/') + 1);
  }

  async manifest(reference: string, { signal }: CallOptions = {}): Promise<FetchedManifest> {
    const answer = await this.reading(reference, () =>
      this.session.ask(
        {
          method: 'GET',
          path: this.at(`manifests/${reference}`),
          headers: { accept: ACCEPT },
          scopes: this.scopes(),
          signal,
        },
        [200],
      ),
    );
    const bytes = await readBody(answer.body, MAX_MANIFEST);
    const digest = digestOf(bytes);
    if (isDigest(reference) && digest !== reference) {
      throw invalidArgument(`manifest verification failed for digest ${reference}: the bytes are ${digest}`);
    }
    const declared = answer.headers['docker-content-digest'];
    if (declared !== undefined && declared.startsWith('sha256:') && declared !== digest) {
      throw invalidArgument(`manifest verification failed for digest ${declared}: the bytes are ${digest}`);
    }
    return { bytes, mediaType: mediaTypeOf(answer), digest };
  }

  async describeManifest(
    reference: string,
    { signal }: CallOptions = {},
  ): Promise<ManifestDescriptor | undefined> {
    const answer = await this.reading(reference, () =>
      this.session.ask(
        {
          method: 'HEAD',
          path: this.at(`manifests/${reference}`),
          headers: { accept: ACCEPT },
          scopes: this.scopes(),
          signal,
        },
        [200, 404],
      ),
    );
    discard(answer);
    if (answer.status === 404) return undefined;
    const digest = answer.headers['docker-content-digest'];
    const size = Number(answer.headers['content-length']);
    if (digest && isDigest(digest) && size > 0) return { mediaType: mediaTypeOf(answer), digest, size };
    const { bytes, mediaType, digest: computed } = await this.manifest(reference, { signal });
    return { mediaType, digest: computed, size: bytes.length };
  }

  async *tags({ signal }: CallOptions = {}): AsyncGenerator<string> {
    let path: string | undefined = this.at('tags/list?n=1000');
    for (let page = 0; path !== undefined && page < MAX_TAG_PAGES; page++) {
      const current: string = path;
      const answer = await this.reading('', () =>
        this.session.ask({ method: 'GET', path: current, scopes: this.scopes(), signal }, [200]),
      );
      const text = (await readBody(answer.body, MAX_TAG_PAGE)).toString('utf8');
      const { tags } = JSON.parse(text) as { tags?: string[] | null };
      yield* tags ?? [];
      path = nextPage(answer);
    }
  }

  async blob(
    digest: string,
    { from, to }: { from: number; to?: number },
    { signal }: CallOptions = {},
  ): Promise<BlobAnswer> {
    const isWhole = from === 0 && to === undefined;
    const answer = await this.reading(digest, () =>
      this.session.ask(
        {
          method: 'GET',
          path: this.at(`blobs/${digest}`),
          headers: isWhole ? {} : { range: `bytes=${from}-${to ?? ''}` },
          scopes: this.scopes(),
          signal,
        },
        [200, 206],
      ),
    );
    if (answer.status === 200) {
      const length = Number(answer.headers['content-length'] ?? Number.NaN);
      return { offset: 0, ...(Number.isSafeInteger(length) && { total: length }), body: answer.body };
    }
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answer.headers['content-range'] ?? '');
    if (!range || Number(range[1]) !== from) {
      discard(answer);
      throw unreachable(`the registry answered another range than ${from}-`);
    }
    return { offset: from, ...(range[3] !== '*' && { total: Number(range[3]) }), body: answer.body };
  }

  async blobSize(digest: string, { signal }: CallOptions = {}): Promise<number | undefined> {
    const answer = await this.writing(() =>
      this.session.ask(
        { method: 'HEAD', path: this.at(`blobs/${digest}`), scopes: this.scopes(), signal },
        [200, 404],
      ),
    );
    discard(answer);
    return answer.status === 200 ? Number(answer.headers['content-length'] ?? 0) : undefined;
  }

  async mountBlob(digest: string, fromRepository: string, { signal }: CallOptions = {}): Promise<boolean> {
    const from = fromRepository.slice(fromRepository.indexOf('/') + 1);
    const query = new URLSearchParams({ mount: digest, from });
    const scopes = [...this.scopes(), `repository:${from}:pull`];
    const answer = await this.writing(() =>
      this.session.ask(
        { method: 'POST', path: this.at(`blobs/uploads/?${query}`), scopes, signal },
        [201, 202],
      ),
    );
    discard(answer);
    const location = answer.headers['location'];
    if (answer.status === 201) return true;
    if (location) await this.cancelUpload(new URL(location, answer.url).href, signal);
    return false;
  }

  async uploadBlob(blob: UploadableBlob, { signal }: CallOptions = {}): Promise<void> {
    await this.writing(() =>
      uploadBlob(this.session, this.at('blobs/uploads/'), this.scopes(), blob, signal),
    );
  }

  async putManifest(
    reference: string,
    { bytes, mediaType, digest }: FetchedManifest,
    { signal }: CallOptions = {},
  ): Promise<string> {
    const answer = await this.writing(() =>
      this.session.ask(
        {
          method: 'PUT',
          path: this.at(`manifests/${reference}`),
          headers: { 'content-type': mediaType },
          body: bytes,
          scopes: this.scopes(),
          signal,
        },
        [200, 201, 202],
      ),
    );
    discard(answer);
    const computed = answer.headers['docker-content-digest'];
    if (computed !== undefined && computed !== digest) {
      throw dataLoss(`the registry computed the digest ${computed} for the manifest ${digest}`);
    }
    return computed ?? digest;
  }

  /** An upload that nobody wants ends by itself after a while; telling it is a courtesy. */
  private async cancelUpload(location: string, signal: AbortSignal | undefined): Promise<void> {
    const request = { method: 'DELETE', path: location, scopes: this.scopes(), signal } as const;
    const answer = await this.session.ask(request, [200, 202, 204]).catch(() => undefined);
    if (answer) discard(answer);
    signal?.throwIfAborted();
  }

  private at(rest: string): string {
    return `/v2/${this.path}/${rest}`;
  }

  private scopes(): string[] {
    return [`repository:${this.path}:${this.access === 'push' ? 'pull,push' : 'pull'}`];
  }

  private async reading<T>(reference: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      const shown = isDigest(reference) ? { digest: reference } : { tag: reference || undefined };
      const name = familiar({ repository: this.name, ...shown });
      throw this.access === 'pull'
        ? pullError(error, familiarRepository(this.name), name)
        : engineErrorOf(error);
    }
  }

  private async writing<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw error instanceof RegistryError ? engineErrorOf(error) : error;
    }
  }
}

/** Without parameters. */
const mediaTypeOf = (answer: HttpAnswer): string =>
  (answer.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** RFC 8288: `</v2/x/tags/list?n=..&last=..>; rel="next"`. */
function nextPage(answer: HttpAnswer): string | undefined {
  const target = /<([^>]+)>\s*;[^,]*rel="?next"?/.exec(answer.headers['link'] ?? '')?.[1];
  return target === undefined ? undefined : new URL(target, answer.url).href;
}
