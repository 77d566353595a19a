import { EngineError, type ErrorKind } from './engine-error';

const HTTP_CODE: Record<ErrorKind, number> = {
  NotFound: 404,
  InvalidArgument: 400,
  Conflict: 409,
  NotModified: 304,
  Unauthorized: 401,
  Forbidden: 403,
  Unavailable: 503,
  Unreachable: 500,
  TooManyRequests: 429,
  NotImplemented: 501,
  DataLoss: 500,
  Internal: 500,
};

/** The one map from errors to HTTP codes. Only the gateway uses it. */
export function httpStatusOf(error: unknown): number {
  return error instanceof EngineError ? HTTP_CODE[error.kind] : 500;
}
