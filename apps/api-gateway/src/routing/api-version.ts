import { ENGINE_VERSION } from '@gantry/shared/config';
import { invalidArgument, notFound } from '@gantry/shared/errors';
import type { NextFunction, Request, Response } from './http-messages';
import { linkAsOneSegment } from './link-names';
import { cleaned, originForm } from './request-target';

/** API versions are `1.<minor>`; within Gantry only the minor number is passed around. */
export const NEWEST_API_MINOR = 56;
/** dockerd's own until version 29: Traefik, Watchtower and docker-java of before then name a version and do not ask. */
export const OLDEST_API_MINOR = 22;
export const NEWEST_API_VERSION = `1.${NEWEST_API_MINOR}`;
export const OLDEST_API_VERSION = `1.${OLDEST_API_MINOR}`;

export const EXPERIMENTAL_HEADER = 'Docker-Experimental';

/** What every answer carries, hijacked ones too. */
export const STANDARD_HEADERS: Readonly<Record<string, string>> = {
  'Api-Version': NEWEST_API_VERSION,
  Ostype: 'linux',
  Server: `Gantry/${ENGINE_VERSION} (linux)`,
};

/** A request whose version prefix was taken off its URL. */
export interface VersionedRequest extends Request {
  apiMinor: number;
}

const PREFIX = /^\/v([0-9.]+)(?=\/|$|\?)/;
/** Only these answer HEAD; dockerd knows no other. */
const HEAD_PATHS = /^\/(_ping|containers\/[^/]+\/archive)(\?|$)/;

/**
 * The first thing that happens to a request: standard headers, and `/v1.44/info` becomes `/info` with `apiMinor` 44.
 * A version out of range is answered 400 in Docker's words; OPTIONS and paths that are not clean as dockerd answers them.
 */
export function apiVersionMiddleware(request: Request, response: Response, next: NextFunction): void {
  for (const [name, value] of Object.entries(STANDARD_HEADERS)) response.setHeader(name, value);
  response.setHeader(EXPERIMENTAL_HEADER, 'false');
  request.url = originForm(request.url);
  const clean = cleaned(request.url);
  if (clean !== undefined) {
    response.writeHead(301, { Location: clean, 'Content-Length': 0 }).end();
    return;
  }
  if (request.method === 'OPTIONS') {
    response.writeHead(200, { 'Content-Length': 0 }).end();
    return;
  }
  const versioned = request as VersionedRequest;
  versioned.apiMinor = NEWEST_API_MINOR;
  const prefix = PREFIX.exec(request.url);
  if (prefix) {
    try {
      versioned.apiMinor = supportedMinor(prefix[1] ?? '');
    } catch (error) {
      next(error);
      return;
    }
    request.url = request.url.slice(prefix[0].length) || '/';
  }
  // The one path that dockerd knows with a slash at its end too.
  request.url = linkAsOneSegment(request.url).replace(/^\/networks\/(?=$|\?)/, '/networks');
  if (request.method === 'HEAD' && !HEAD_PATHS.test(request.url)) next(notFound('page not found'));
  else next();
}

/** @throws InvalidArgument in Docker's words. */
export function supportedMinor(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 1 || (major === 1 && minor > NEWEST_API_MINOR)) {
    throw invalidArgument(
      `client version ${version} is too new. Maximum supported API version is ${NEWEST_API_VERSION}`,
    );
  }
  if (major < 1 || minor < OLDEST_API_MINOR) {
    throw invalidArgument(
      `client version ${version} is too old. Minimum supported API version is ${OLDEST_API_VERSION}, ` +
        'please upgrade your client to a newer version',
    );
  }
  return minor;
}
