import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request on its way to its controller. */
export interface Request extends IncomingMessage {
  method: string;
  /** Path and query, without the version prefix once that was read. */
  url: string;
  /** What the route's placeholders stand for; a `*rest` is a list of segments. */
  params: Record<string, string | string[]>;
  /** The pattern of the route that was found. */
  route?: string;
}

export type Response = ServerResponse;

/** To go on to what comes next, or to answer with an error. */
export type NextFunction = (error?: unknown) => void;

/** The value of a request's header; empty where there is none. @param name in lower case */
export function headerOf({ headers }: IncomingMessage, name: string): string {
  const value = headers[name] ?? '';
  return Array.isArray(value) ? value.join(', ') : value;
}
