import { Status } from '@gantry/proto/frontend';
import { invalidArgument } from '@gantry/shared/errors';
import { BuildFailure, failedCall, failureAt, sourceInfo } from './build-failure';

const source = sourceInfo({ name: 'Dockerfile', text: 'FROM a\nFRMO b\n' });

it('tells the client which lines of the Dockerfile it is about, as BuildKit does', () => {
  const failure = failureAt(invalidArgument('no'), source, { line: 2, endLine: 3 });
  expect(failure).toBeInstanceOf(BuildFailure);
  const { details, metadata } = failedCall(failure);
  const [trailer] = metadata.get('grpc-status-details-bin');
  const status = Status.decode(trailer as Buffer);
  expect([details, status.code, status.message]).toEqual(['no', 2, 'no']);
  const [detail] = status.details;
  expect(detail?.typeUrl).toBe('github.com/moby/buildkit/errdefs.Source+json');
  expect(JSON.parse(String(detail?.value))).toEqual({
    info: {
      filename: 'Dockerfile',
      data: Buffer.from('FROM a\nFRMO b\n').toString('base64'),
      language: 'Dockerfile',
    },
    ranges: [{ start: { line: 2, character: 0 }, end: { line: 3, character: 0 } }],
  });
});

it('adds nothing to an error that is about no line', () => {
  const error = new Error('gone');
  expect(failureAt(error, source, undefined)).toBe(error);
  expect(failedCall(error).metadata.get('grpc-status-details-bin')).toEqual([]);
});
