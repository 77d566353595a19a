import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { fromGrpcError, toGrpcStatus } from './grpc-status';
import { ERROR_KINDS, EngineError, httpStatusOf, notFound } from './index';

describe('errors between services', () => {
  it.each(ERROR_KINDS)('%s arrives as itself', (kind) => {
    const sent = toGrpcStatus(new EngineError(kind, 'No such container: x'));
    const got = fromGrpcError({ ...sent, name: 'Error', message: 'x' } as ServiceError, 'container-service');
    expect(got).toMatchObject({ kind, message: 'No such container: x' });
  });

  it('a peer that is away is Unavailable and named', () => {
    const error = {
      code: status.UNAVAILABLE,
      details: 'connect ENOENT',
      metadata: new Metadata(),
    } as ServiceError;
    expect(fromGrpcError(error, 'image-service')).toMatchObject({
      kind: 'Unavailable',
      message: 'image-service is not reachable: connect ENOENT',
    });
  });

  it('what nobody classified is a 500', () => {
    expect(httpStatusOf(new Error('boom'))).toBe(500);
    expect(httpStatusOf(notFound('No such image: x'))).toBe(404);
  });
});
