import { invalidArgument } from '@gantry/shared/errors';

/**
 * Image references as the distribution project defines them (github.com/distribution/reference): what the user types is
 * the familiar form, `busybox`; what is stored is the canonical one, `docker.io/library/busybox`.
 */
export interface NamedReference {
  /** Canonical repository, `docker.io/library/busybox`. */
  repository: string;
  tag?: string;
  /** `sha256:<hex>` of a manifest. */
  digest?: string;
}

/** What may stand where an image is meant: a name, or the whole id. */
export type AnyReference = { kind: 'named'; name: NamedReference } | { kind: 'id'; digest: string };

const DEFAULT_DOMAIN = 'docker.io';
const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';
const MAX_NAME_LENGTH = 255;
export const DEFAULT_TAG = 'latest';

const IDENTIFIER = /^[a-f0-9]{64}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const DIGEST_LENGTHS: Record<string, number> = { sha256: 64, sha384: 96, sha512: 128 };
const TAG = /^\w[\w.-]{0,127}$/;
const PATH_COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const PATH = new RegExp(`^${PATH_COMPONENT}(?:/${PATH_COMPONENT})*$`);
const DOMAIN_COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = new RegExp(
  `^(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?$`,
);

const invalidFormat = () => invalidArgument('invalid reference format');

/** @throws InvalidArgument as the reference library words it. */
export function parseNamed(text: string): NamedReference {
  if (IDENTIFIER.test(text)) {
    throw invalidArgument(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, remainder } = splitDomain(text);
  const at = remainder.indexOf('@');
  const beforeDigest = at < 0 ? remainder : remainder.slice(0, at);
  const digest = at < 0 ? undefined : remainder.slice(at + 1);
  const colon = beforeDigest.indexOf(':');
  const path = colon < 0 ? beforeDigest : beforeDigest.slice(0, colon);
  const tag = colon < 0 ? undefined : beforeDigest.slice(colon + 1);
  if (path.toLowerCase() !== path) {
    throw invalidArgument(`invalid reference format: repository name (${path}) must be lowercase`);
  }
  if (!DOMAIN.test(domain) || !PATH.test(path)) throw invalidFormat();
  if (tag !== undefined && !TAG.test(tag)) throw invalidFormat();
  if (digest !== undefined) checkDigest(digest);
  if (path.length > MAX_NAME_LENGTH) {
    throw invalidArgument(`repository name must not be more than ${MAX_NAME_LENGTH} characters`);
  }
  return { repository: `${domain}/${path}`, tag, digest };
}

/** A name, or a whole id with or without `sha256:`. */
export function parseAny(text: string): AnyReference {
  if (IDENTIFIER.test(text)) return { kind: 'id', digest: `sha256:${text}` };
  if (isDigest(text)) return { kind: 'id', digest: text };
  return { kind: 'named', name: parseNamed(text) };
}

/** `repository` and `tag` as two parameters of the API; the tag may also be a part of the repository. */
export function parseRepositoryAndTag(repository: string, tag: string): NamedReference {
  const name = parseNamed(repository);
  if (name.digest) throw invalidArgument('cannot import digest reference');
  if (tag === '') return withDefaultTag(name);
  if (!TAG.test(tag)) throw invalidArgument('invalid tag format');
  return { repository: name.repository, tag };
}

/** A name that says neither tag nor digest means `latest`. */
export function withDefaultTag(name: NamedReference): NamedReference {
  return name.tag || name.digest ? name : { ...name, tag: DEFAULT_TAG };
}

/** `docker.io/library/busybox` is `busybox`. */
export function familiarRepository(repository: string): string {
  if (!repository.startsWith(`${DEFAULT_DOMAIN}/`)) return repository;
  const path = repository.slice(DEFAULT_DOMAIN.length + 1);
  return path.startsWith(OFFICIAL_PREFIX) && !path.slice(OFFICIAL_PREFIX.length).includes('/')
    ? path.slice(OFFICIAL_PREFIX.length)
    : path;
}

export function familiar(name: NamedReference): string {
  const tag = name.tag ? `:${name.tag}` : '';
  return `${familiarRepository(name.repository)}${tag}${name.digest ? `@${name.digest}` : ''}`;
}

/** `docker.io/library/busybox:latest`; an id, and what is no reference, as it is. */
export function canonicalName(text: string): string {
  const { repository, tag, digest } = nameOf(text) ?? {};
  if (repository === undefined) return text;
  const at = digest === undefined ? '' : `@${digest}`;
  return `${repository}${tag === undefined ? (at ? '' : `:${DEFAULT_TAG}`) : `:${tag}`}${at}`;
}

function nameOf(text: string): NamedReference | undefined {
  try {
    const parsed = parseAny(text);
    return parsed.kind === 'id' ? undefined : parsed.name;
  } catch {
    return undefined;
  }
}

export function isDigest(text: string): boolean {
  const colon = text.indexOf(':');
  return DIGEST.test(text) && DIGEST_LENGTHS[text.slice(0, colon)] === text.length - colon - 1;
}

function checkDigest(digest: string): void {
  if (!DIGEST.test(digest)) throw invalidFormat();
  const colon = digest.indexOf(':');
  const length = DIGEST_LENGTHS[digest.slice(0, colon)];
  if (length === undefined) throw invalidArgument('unsupported digest algorithm');
  if (length !== digest.length - colon - 1) throw invalidArgument('invalid checksum digest length');
}

/** The first component is a host when it looks like one: a dot, a port, `localhost`, or capitals. */
function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isHost = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  let domain = isHost ? first : DEFAULT_DOMAIN;
  let remainder = isHost ? text.slice(slash + 1) : text;
  if (domain === LEGACY_DOMAIN) domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !remainder.includes('/')) remainder = OFFICIAL_PREFIX + remainder;
  return { domain, remainder };
}
