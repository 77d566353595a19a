import { Metadata, status, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { databaseAway } from './database-away';
import { EngineError, ERROR_KINDS, messageOf, type ErrorKind } from './engine-error';

const KIND_KEY = 'gantry-error-kind';

const GRPC_CODE: Record<ErrorKind, status> = {
  NotFound: status.NOT_FOUND,
  InvalidArgument: status.INVALID_ARGUMENT,
  Conflict: status.FAILED_PRECONDITION,
  NotModified: status.ALREADY_EXISTS,
  Unauthorized: status.UNAUTHENTICATED,
  Forbidden: status.PERMISSION_DENIED,
  Unavailable: status.UNAVAILABLE,
  Unreachable: status.ABORTED,
  TooManyRequests: status.RESOURCE_EXHAUSTED,
  NotImplemented: status.UNIMPLEMENTED,
  DataLoss: status.DATA_LOSS,
  Internal: status.INTERNAL,
};

/** How an error travels between services: the gRPC code for whoever knows gRPC, the kind in the metadata for us. */
export function toGrpcStatus(error: unknown): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
  const kind = kindOf(error);
  return { code: GRPC_CODE[kind], details: detailsOf(error), metadata: errorMetadata(kind) };
}

/** What is not an EngineError is a defect of ours, Internal, unless it is that Postgres is away. */
export function kindOf(error: unknown): ErrorKind {
  if (error instanceof EngineError) return error.kind;
  return databaseAway(error) === undefined ? 'Internal' : 'Unavailable';
}

function detailsOf(error: unknown): string {
  const away = error instanceof EngineError ? undefined : databaseAway(error);
  return away === undefined ? messageOf(error) : `the database does not answer: ${away}`;
}

export function errorMetadata(kind: string): Metadata {
  const metadata = new Metadata();
  if (kind) metadata.set(KIND_KEY, kind);
  return metadata;
}

/** The reverse; `service` names the peer where the error is the connection's own. */
export function fromGrpcError(error: ServiceError, service: string): EngineError {
  const kind = error.metadata?.get(KIND_KEY)[0];
  if (typeof kind === 'string' && (ERROR_KINDS as readonly string[]).includes(kind)) {
    return new EngineError(kind as ErrorKind, error.details, { cause: error });
  }
  if (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED) {
    return new EngineError('Unavailable', `${service} is not reachable: ${error.details}`, { cause: error });
  }
  if (error.code === status.CANCELLED)
    return new EngineError('Unavailable', 'request cancelled', { cause: error });
  return new EngineError('Internal', error.details || error.message, { cause: error });
}
