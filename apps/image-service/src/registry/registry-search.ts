import { notFound, notImplemented } from '@gantry/shared/errors';
import { readBody } from './body';
import type { SearchResult } from './registry';
import { RegistryError } from './registry-errors';
import type { RegistrySession } from './registry-session';

const MAX_ANSWER = 4 * 1024 * 1024;
const DEFAULT_INDEX = 'index.docker.io';

/**
 * `term` may begin with a registry's host. A registry with Docker Hub's search is searched by it; of another one the
 * catalog is looked through.
 */
export async function searchRegistry(
  session: (domain: string) => RegistrySession,
  term: string,
  { limit, signal }: { limit: number; signal?: AbortSignal },
): Promise<SearchResult[]> {
  const slash = term.indexOf('/');
  const first = slash < 0 ? '' : term.slice(0, slash);
  const hasHost = /[.:]/.test(first) || first === 'localhost';
  const domain = hasHost ? first : DEFAULT_INDEX;
  const rest = hasHost ? term.slice(slash + 1) : term;
  const registry = session(domain);
  const query = new URLSearchParams({ q: rest, n: String(limit) });
  try {
    const path = `/v1/search?${query}`;
    const answer = await registry.ask({ method: 'GET', path, signal }, [200]);
    const { results } = JSON.parse((await readBody(answer.body, MAX_ANSWER)).toString('utf8')) as {
      results?: SearchResult[] | null;
    };
    return results ?? [];
  } catch (error) {
    if (!(error instanceof RegistryError) && !(error instanceof SyntaxError)) throw error;
  }
  return catalog(registry, rest, limit, signal);
}

async function catalog(
  registry: RegistrySession,
  term: string,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<SearchResult[]> {
  const request = {
    method: 'GET',
    path: '/v2/_catalog?n=1000',
    scopes: ['registry:catalog:*'],
    signal,
  } as const;
  const answer = await registry.ask(request, [200, 401, 403, 404, 405]);
  const text = (await readBody(answer.body, MAX_ANSWER)).toString('utf8');
  if (answer.status === 404 || answer.status === 405) {
    throw notImplemented(`the registry ${registry.domain} has neither a search nor a catalog`);
  }
  if (answer.status !== 200) throw notFound(`the registry ${registry.domain} does not show its catalog`);
  const { repositories } = JSON.parse(text) as { repositories?: string[] | null };
  return (repositories ?? [])
    .filter((name) => name.includes(term))
    .slice(0, limit)
    .map((name) => ({ name, description: '', star_count: 0, is_official: false, is_automated: false }));
}
