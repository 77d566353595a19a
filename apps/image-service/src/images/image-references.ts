import { familiar, familiarRepository } from '../references/reference';
import type { ImageReferences } from './image-store';

/** `["busybox:1"]`, as RepoTags shows them. */
export const repoTags = ({ tags }: ImageReferences): string[] => tags.map((tag) => familiar(tag));

/** `["busybox@sha256:..."]`, as RepoDigests shows them. */
export const repoDigests = ({ digests }: ImageReferences): string[] =>
  digests.map(({ repository, digest }) => `${familiarRepository(repository)}@${digest}`);

/** `sha256:0123...` as `0123456789ab`. */
export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 12);
