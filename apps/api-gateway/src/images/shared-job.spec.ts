import { summaryOf } from './job-summary';
import { sharedPull } from './shared-job';

const pull = (repository: string, tag = '1', platform = '') => ({
  repository,
  tag,
  platform,
  credentialsId: 'x',
});

describe('pulls that are one', () => {
  it.each([
    ['short and long names', pull('busybox'), pull('docker.io/library/busybox')],
    ['the old name of Docker Hub', pull('a/b'), pull('index.docker.io/a/b')],
    ['a tag in the name', pull('reg.example:5000/a:1', ''), pull('reg.example:5000/a', '1')],
  ])('%s', async (_, one, other) => expect(await sharedPull(one, '')).toBe(await sharedPull(other, 'e30=')));

  it.each([
    ['another tag', pull('a'), pull('a', '2')],
    ['all tags', pull('a'), pull('a', '')],
    ['another platform', pull('a'), pull('a', '1', 'linux/arm64')],
    ['another registry', pull('a'), pull('reg.example/library/a')],
  ])('not %s', async (_, one, other) =>
    expect(await sharedPull(one, '')).not.toBe(await sharedPull(other, '')),
  );

  it('not with other credentials, of which nothing is shown', async () => {
    const key = await sharedPull(pull('a'), 'c2VjcmV0');
    expect(key).toBe(await sharedPull(pull('a'), 'c2VjcmV0'));
    expect(key).not.toBe(await sharedPull(pull('a'), ''));
    expect(key).not.toContain(':');
    expect(Buffer.from(key, 'base64url').toString()).not.toMatch(/secret|c2VjcmV0/);
  });
});

describe('the summary of a job', () => {
  const more = { state: 'active', watchers: 2, progress: undefined };
  it.each([
    [{ repository: 'a', tag: '1' }, 'a:1'],
    [{ repository: 'a', tag: 'sha256:1234' }, 'a@sha256:1234'],
    [{ repository: 'a', tag: '' }, 'a'],
    [{ uploadId: 'x' }, ''],
  ])('is about %j', (data, subject) =>
    expect(summaryOf({ id: 'x-1', name: 'pull', data, timestamp: 0 }, more)).toEqual({
      id: 'x-1',
      name: 'pull',
      state: 'active',
      subject,
      created: '1970-01-01T00:00:00.000Z',
      watchers: 2,
    }),
  );

  it('names the process', () => {
    const job = {
      id: 'x-1',
      name: 'pull',
      data: {},
      timestamp: 0,
      processedOn: 1000,
      processedBy: 'b/pid:[1]/42/7',
    };
    expect(summaryOf(job, more)).toMatchObject({ worker: 42, started: '1970-01-01T00:00:01.000Z' });
  });
});
