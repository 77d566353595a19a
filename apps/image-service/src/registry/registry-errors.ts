import { STATUS_CODES } from 'node:http';
import {
  EngineError,
  forbidden,
  internal,
  invalidArgument,
  messageOf,
  notFound,
  tooManyRequests,
  unauthorized,
  unreachable,
} from '@gantry/shared/errors';

/** What a registry said in its own words (OCI distribution-spec, "Error Codes"). */
export class RegistryError extends Error {
  constructor(
    readonly status: number,
    /** Upper case, empty where the answer had none. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Reads `{"errors": [{"code", "message"}]}`; anything else is shown by its status. */
export function registryErrorOf(status: number, body: string): RegistryError {
  try {
    const { errors, details } = JSON.parse(body) as {
      errors?: { code?: string; message?: string }[];
      details?: string;
    };
    const [first] = errors ?? [];
    if (first?.code) {
      const words = first.code.toLowerCase().replaceAll('_', ' ');
      return new RegistryError(status, first.code.toUpperCase(), `${words}: ${first.message || words}`);
    }
    if (typeof details === 'string') return new RegistryError(status, '', details);
  } catch {
    // No JSON: the status has to do.
  }
  if (status === 401)
    return new RegistryError(status, 'UNAUTHORIZED', 'unauthorized: authentication required');
  if (status === 403) {
    return new RegistryError(status, 'DENIED', 'denied: requested access to the resource is denied');
  }
  if (status === 429)
    return new RegistryError(
      status,
      'TOOMANYREQUESTS',
      `toomanyrequests: ${body.trim() || 'too many requests'}`,
    );
  return new RegistryError(
    status,
    '',
    `received unexpected HTTP status: ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd(),
  );
}

/** As dockerd words what a pull was refused with (moby, distribution/errors.go). `name`: with tag or digest. */
export function pullError(error: unknown, repository: string, name: string): unknown {
  if (!(error instanceof RegistryError)) return error;
  const { status, code, message } = error;
  if (code === 'MANIFEST_UNKNOWN' || code === 'NOT_FOUND') {
    return notFound(`manifest for ${name} not found: ${message}`, error);
  }
  if (code === 'NAME_UNKNOWN') return notFound(`repository ${name} not found: ${message}`, error);
  if (code === 'UNAUTHORIZED' || code === 'DENIED' || status === 401 || status === 403) {
    return notFound(
      `pull access denied for ${repository}, repository does not exist or may require 'docker login': ${message}`,
      error,
    );
  }
  if (status === 404) return notFound(`manifest for ${name} not found: ${message}`, error);
  return engineErrorOf(error);
}

/** Where nothing better is to be said than what the registry did. */
export function engineErrorOf(error: unknown): unknown {
  if (!(error instanceof RegistryError)) return error;
  const { status, message } = error;
  if (status === 401) return unauthorized(message, error);
  if (status === 403) return forbidden(message, error);
  if (status === 404) return notFound(message, error);
  if (status === 429) return tooManyRequests(message, error);
  if (status >= 500) return unreachable(message, error);
  return status >= 400 ? invalidArgument(message, error) : internal(message, error);
}

const UNKNOWN_AUTHORITY = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_ISSUER_CERT',
];

/** A connection that failed, in the words of dockerd's HTTP client. */
export function connectionError(method: string, url: URL, error: unknown): EngineError {
  // dockerd asks for the root of the API first, so that is what its users know.
  const isApi = url.pathname.startsWith('/v2/');
  const name = isApi ? 'Get' : method.charAt(0) + method.slice(1).toLowerCase();
  const path = isApi ? '/v2/' : url.pathname + url.search;
  return unreachable(`${name} "${url.origin}${path}": ${reasonOf(url, error)}`, error);
}

/** Why a connection failed. */
export function reasonOf(url: URL, error: unknown): string {
  const { code = '', address, port } = error as { code?: string; address?: string; port?: number };
  if (code === 'ECONNREFUSED') {
    return `dial tcp ${address ?? url.hostname}:${port ?? (url.port || '443')}: connect: connection refused`;
  }
  if (code === 'ENOTFOUND') return `dial tcp: lookup ${url.hostname}: no such host`;
  if (code === 'EAI_AGAIN') return `dial tcp: lookup ${url.hostname}: Temporary failure in name resolution`;
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return `dial tcp ${url.host}: i/o timeout`;
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return 'net/http: request canceled (Client.Timeout exceeded while awaiting headers)';
  }
  if (UNKNOWN_AUTHORITY.includes(code)) {
    return 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
  }
  if (code === 'CERT_HAS_EXPIRED') {
    return 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid';
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `tls: failed to verify certificate: x509: certificate is not valid for ${url.hostname}`;
  }
  if (isPlainAnswer(error)) return 'http: server gave HTTP response to HTTPS client';
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') return 'unexpected EOF';
  return messageOf(error);
}

/** A server without TLS on the other side. */
function isPlainAnswer(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'EPROTO'].includes(code);
}
