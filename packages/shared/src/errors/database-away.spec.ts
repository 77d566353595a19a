import { databaseAway } from './database-away';
import { notFound } from './engine-error';
import { fromGrpcError, toGrpcStatus } from './grpc-status';

const coded = (message: string, code: string): Error => Object.assign(new Error(message), { code });

it.each([
  [new Error('timeout exceeded when trying to connect'), 'timeout exceeded when trying to connect'],
  [
    new Error(
      '\nInvalid `prisma.image.findMany()` invocation:\n\n\nDatabase error. Code: `57P03`. Message: `the database system is starting up`',
    ),
    'the database system is starting up',
  ],
  [new Error('Query read timeout'), 'Query read timeout'],
  [coded('x', '57P01'), '57P01'],
  [coded('x', 'P1001'), 'P1001'],
  [
    coded('connect ENOENT /run/g/postgres/.s.PGSQL.5432', 'ENOENT'),
    'connect ENOENT /run/g/postgres/.s.PGSQL.5432',
  ],
  [
    new Error('query failed', { cause: new Error('Connection terminated unexpectedly') }),
    'Connection terminated unexpectedly',
  ],
  [coded('connect ECONNREFUSED 127.0.0.1:80', 'ECONNREFUSED'), undefined],
  [coded('unique', 'P2002'), undefined],
  ['x', undefined],
])('%s', (error, reason) => expect(databaseAway(error)).toBe(reason));

it('is told as what passes, in plain words', () => {
  const status = toGrpcStatus(new Error('timeout exceeded when trying to connect'));
  const error = fromGrpcError({ ...status, name: '', message: '' }, 'image-service');
  expect(error).toMatchObject({
    kind: 'Unavailable',
    message: 'the database does not answer: timeout exceeded when trying to connect',
  });
  expect(toGrpcStatus(notFound('the database system is x')).details).toBe('the database system is x');
});
