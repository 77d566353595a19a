import { BuildVertexes } from './build-vertexes';

const vertexes = () => new BuildVertexes('ref', () => new Date(1_500));

it('makes a vertex of a step, which ends where the next one begins', () => {
  const build = vertexes();
  const [first] = build.line({ stream: 'Step 1/2 : FROM a' })?.vertexes ?? [];
  expect(first).toMatchObject({
    name: '[1/2] FROM a',
    inputs: [],
    started: { seconds: 1, nanos: 500_000_000 },
  });
  const second = build.line({ stream: 'Step 2/2 : RUN b' })?.vertexes ?? [];
  expect(second[0]).toMatchObject({ digest: first?.digest, completed: { seconds: 1 } });
  expect(second[1]).toMatchObject({ name: '[2/2] RUN b', inputs: [first?.digest], completed: undefined });
  expect(build.end().vertexes).toMatchObject([{ name: '[2/2] RUN b', completed: { seconds: 1 }, error: '' }]);
});

it('says what comes from the cache, and keeps the classic words to itself', () => {
  const build = vertexes();
  build.line({ stream: 'Step 1/1 : RUN a' });
  expect(build.line({ stream: ' ---> Using cache\n' })?.vertexes).toMatchObject([{ cached: true }]);
  for (const stream of ['\n', ' ---> 0123456789ab\n', 'Successfully built 0123456789ab\n']) {
    expect(build.line({ stream })).toBeUndefined();
  }
  expect(build.line({ aux: { ID: 'sha256:1' } })).toBeUndefined();
  expect(build.imageId).toBe('sha256:1');
});

it('tells what commands write from what they complain', () => {
  const build = vertexes();
  expect(build.line({ stream: 'too early\n' })).toBeUndefined();
  build.line({ stream: 'Step 1/1 : RUN a' });
  const logs = [
    { stream: 'out\n' },
    { stream: '\u001b[91merr\n\u001b[0m' },
    { status: 'Pulling', id: 'b' },
  ].map((line) => build.line(line)?.logs[0]);
  expect(logs.map((log) => [log?.stream, log?.msg.toString()])).toEqual([
    [1, 'out\n'],
    [2, 'err\n'],
    [1, 'b: Pulling\n'],
  ]);
});

it('ends the step that failed with its error', () => {
  const build = vertexes();
  build.line({ stream: 'Step 1/1 : RUN a' });
  expect(build.fail('no').vertexes).toMatchObject([
    { name: '[1/1] RUN a', error: 'no', completed: { seconds: 1 } },
  ]);
  expect(build.end().vertexes).toEqual([]);
});
