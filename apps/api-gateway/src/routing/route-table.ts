import { match, type MatchFunction } from 'path-to-regexp';
import { invalidArgument } from '@gantry/shared/errors';

type Parameters = Record<string, string | string[]>;

interface Route<Handler> {
  /** undefined: any. */
  method: string | undefined;
  pattern: string;
  matches: MatchFunction<Parameters>;
  handler: Handler;
}

export interface FoundRoute<Handler> {
  pattern: string;
  params: Parameters;
  handler: Handler;
}

/**
 * Which handler a request is for. As in dockerd letters have their case and a slash at the end is one too many. Patterns are
 * those of path-to-regexp, and begin with a word.
 */
export class RouteTable<Handler> {
  /** By first segment: no list is long. */
  private readonly routes = new Map<string, Route<Handler>[]>();

  /** Of two that match, the one that was added first is found. */
  add(method: string | undefined, pattern: string, handler: Handler): void {
    const matches = match<Parameters>(pattern, { sensitive: true, trailing: false, decode });
    const route = { method, pattern, matches, handler };
    const alike = this.routes.get(firstSegment(pattern));
    if (alike) alike.push(route);
    else this.routes.set(firstSegment(pattern), [route]);
  }

  /** @throws InvalidArgument where a placeholder's text cannot be decoded */
  find(method: string, path: string): FoundRoute<Handler> | undefined {
    for (const route of this.routes.get(firstSegment(path)) ?? []) {
      if (route.method !== undefined && route.method !== method) continue;
      const found = route.matches(path);
      if (found) return { pattern: route.pattern, params: found.params, handler: route.handler };
    }
    return undefined;
  }
}

const firstSegment = (path: string): string => path.split('/', 2)[1] ?? '';

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidArgument(`invalid URL escape in ${JSON.stringify(text)}`);
  }
}
