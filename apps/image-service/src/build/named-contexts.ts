import type { BuildJob } from '@gantry/shared/queue';
import { familiar, parseNamed } from '../references/reference';

type NamedContexts = BuildJob['contexts'];

/** The name of the context that stands in for a stage or an image: `alpine` is `docker.io/library/alpine:latest` too. */
export function contextNameFor(contexts: NamedContexts, wanted: string): string | undefined {
  return [wanted.toLowerCase(), familiarName(wanted)].find((name) => Object.hasOwn(contexts, name));
}

function familiarName(text: string): string {
  try {
    const { repository, tag, digest } = parseNamed(text);
    if (digest !== undefined) return '';
    return familiar({ repository, tag: tag ?? 'latest' }).replace(/:latest$/, '');
  } catch {
    return ''; // the number of a stage, for one
  }
}
