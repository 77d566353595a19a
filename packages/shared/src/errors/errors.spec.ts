import { mkdirSync, renameSync } from 'node:fs';
import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { fromGrpcError, toGrpcStatus } from './grpc-status';
import { ERROR_KINDS, EngineError, httpStatusOf, messageOf, notFound } from './index';

const raise = (message: string) => {
  throw new Error(message);
};

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

  it.each([
    [() => mkdirSync('/proc/none/x'), 'mkdir /proc/none/x: no such file or directory'],
    [() => renameSync('/none', "/it's"), "rename /none /it's: no such file or directory"],
    [() => raise('openat /x: ENOSPC'), 'openat /x: no space left on device'],
    [() => raise('mount x: bad option (EINVAL)'), 'mount x: bad option (EINVAL)'],
    [() => JSON.parse('{'), expect.stringContaining('JSON') as string],
  ])('%s is worded as dockerd words it', (failing, message) => {
    try {
      failing();
    } catch (error) {
      // Node's own errors are no Errors of this realm of jest's.
      expect(messageOf(new Error((error as Error).message))).toEqual(message);
    }
    expect.assertions(1);
  });

  it('what nobody classified is a 500', () => {
    expect(httpStatusOf(new Error('boom'))).toBe(500);
    expect(httpStatusOf(notFound('No such image: x'))).toBe(404);
  });

  it('a quota that is used up has a name, which Node has not', () => {
    const error = Object.assign(new Error('UNKNOWN: unknown error, write'), { code: 'UNKNOWN', errno: -122 });
    expect(messageOf(error)).toBe('write: disk quota exceeded');
  });
});
