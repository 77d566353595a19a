import type { Readable } from 'node:stream';

/** DI token of {@link Registries}. */
export const REGISTRIES = Symbol('Registries');

/** API: AuthConfig, what the header X-Registry-Auth carries. */
export interface RegistryCredentials {
  username?: string;
  password?: string;
  /** base64 of `username:password`. */
  auth?: string;
  serveraddress?: string;
  /** An OAuth2 refresh token. */
  identitytoken?: string;
  /** A bearer token that is sent as it is. */
  registrytoken?: string;
}

/** A document of a registry with what its digest is. */
export interface FetchedManifest {
  bytes: Buffer;
  /** As the registry declared it, without parameters. */
  mediaType: string;
  /** sha256 of the bytes; equal to the digest it was asked by. */
  digest: string;
}

/** OCI image-spec, descriptor.md. */
export interface ManifestDescriptor {
  mediaType: string;
  digest: string;
  size: number;
}

/** The answer to a (ranged) GET of a blob. */
export interface BlobAnswer {
  /** Where in the blob `body` begins: 0 where the registry does not know ranges. Bytes. */
  offset: number;
  /** Bytes of the whole blob, where the registry says so. */
  total?: number;
  body: Readable;
}

export interface CallOptions {
  signal?: AbortSignal;
}

/** One repository of one registry, with the rights of one user (OCI distribution-spec). */
export interface Repository {
  /** Canonical: `docker.io/library/busybox`. */
  readonly name: string;
  /** `host[:port]` as the user writes it; blobs are mounted between repositories of one host. */
  readonly host: string;

  /**
   * `reference`: tag or digest. The bytes of a digest are verified.
   * @throws NotFound `manifest for x:y not found: manifest unknown: ...` as dockerd words it, Forbidden/NotFound `pull access denied ...`
   */
  manifest(reference: string, options?: CallOptions): Promise<FetchedManifest>;
  /** undefined where the registry has none. */
  describeManifest(reference: string, options?: CallOptions): Promise<ManifestDescriptor | undefined>;
  /** All tags, page by page. */
  tags(options?: CallOptions): AsyncIterable<string>;
  /**
   * Bytes `from`..`to` (inclusive; to the end without `to`). One attempt: the caller goes on where a body broke off.
   * @throws Unreachable where another attempt makes sense
   */
  blob(digest: string, range: { from: number; to?: number }, options?: CallOptions): Promise<BlobAnswer>;
  /** Bytes of a blob that the registry has; undefined where it has not. */
  blobSize(digest: string, options?: CallOptions): Promise<number | undefined>;
  /** True when the blob now is in this repository. */
  mountBlob(digest: string, fromRepository: string, options?: CallOptions): Promise<boolean>;
  /** Sends a blob; a piece that breaks off is sent again from where the registry has it. */
  uploadBlob(blob: UploadableBlob, options?: CallOptions): Promise<void>;
  /** Returns the digest that the registry computed. */
  putManifest(reference: string, manifest: FetchedManifest, options?: CallOptions): Promise<string>;
}

export interface UploadableBlob {
  digest: string;
  size: number;
  /** The bytes from `offset` on, as often as it is needed. */
  open(offset: number): Readable;
  onProgress(sent: number): void;
}

/** API: SystemAuth's answer. */
export interface LoginResult {
  Status: string;
  IdentityToken: string;
}

/** API: one item of ImageSearch. */
export interface SearchResult {
  name: string;
  description: string;
  star_count: number;
  is_official: boolean;
  is_automated: boolean;
}

/** All registries, each with its certificates, mirrors and tokens. */
export interface Registries {
  /** `repository`: canonical. `pull` of docker.io goes to its mirrors first. */
  repository(
    repository: string,
    credentials: RegistryCredentials | undefined,
    access: 'pull' | 'push',
  ): Repository;
  /** @throws Unauthorized in the registry's words */
  login(credentials: RegistryCredentials): Promise<LoginResult>;
  search(
    term: string,
    options: { limit: number; credentials?: RegistryCredentials; signal?: AbortSignal },
  ): Promise<SearchResult[]>;
}
