import { BuildVertexes } from './build-vertexes';

const vertexes = () => new BuildVertexes('ref', () => new Date(1_500));
const begin = (build: BuildVertexes, vertex: string) => build.line({ aux: { vertex } })?.vertexes ?? [];

it('makes a vertex of a step, which ends where the next one begins', () => {
  const build = vertexes();
  const [first] = begin(build, '[1/2] FROM a');
  expect(first).toMatchObject({
    name: '[1/2] FROM a',
    inputs: [],
    started: { seconds: 1, nanos: 500_000_000 },
  });
  const second = begin(build, '[2/2] RUN b');
  expect(second[0]).toMatchObject({ digest: first?.digest, completed: { seconds: 1 } });
  expect(second[1]).toMatchObject({ name: '[2/2] RUN b', inputs: [first?.digest], completed: undefined });
  const ended = [{ name: '[2/2] RUN b', completed: { seconds: 1 }, error: '' }];
  expect(begin(build, '')).toMatchObject(ended);
  expect(build.end().vertexes).toEqual([]);
});

it('says what comes from the cache, and of which platform a step is', () => {
  const build = vertexes();
  build.line({ aux: { platform: 'linux/arm64' } });
  begin(build, '[a 1/1] RUN a');
  expect(build.line({ aux: { cached: true } })?.vertexes).toMatchObject([
    { name: '[linux/arm64 a 1/1] RUN a', cached: true },
  ]);
  expect(build.line({ aux: { ID: 'sha256:1' } })).toBeUndefined();
  expect(build.imageId).toBe('sha256:1');
});

it('has one vertex of an image that several stages are built on', () => {
  const build = vertexes();
  const names = ['[internal] load metadata for i', '[a 1/2] FROM i', '[a 2/2] RUN b'];
  const others = ['[internal] load metadata for i', '[b 1/3] FROM i', '[b 2/3] RUN b'];
  const begun = [...names, ...others].flatMap((name) => begin(build, name).filter((one) => !one.completed));
  expect(begun.map(({ name }) => name)).toEqual([...names, '[b 2/3] RUN b']);
});

it('tells what commands write from what they complain', () => {
  const build = vertexes();
  expect(build.line({ stream: 'too early\n' })).toBeUndefined();
  begin(build, '[1/1] RUN a');
  const logs = [
    { stream: 'out\n' },
    { stream: '\u001b[91merr\n\u001b[0m' },
    { status: 'no cache from a' },
  ].map((line) => build.line(line)?.logs[0]);
  expect(logs.map((log) => [log?.stream, log?.msg.toString()])).toEqual([
    [1, 'out\n'],
    [2, 'err\n'],
    [1, 'no cache from a\n'],
  ]);
});

it('tells how far the parts of a vertex are', () => {
  const build = vertexes();
  begin(build, '[1/2] FROM a');
  const lines = [
    { id: 'b', status: 'Downloading', progressDetail: { current: 1, total: 2 } },
    { id: 'b', status: 'Verifying Checksum', progressDetail: {} },
    { id: 'b', status: 'Download complete', progressDetail: {} },
    { aux: { part: { name: 'exporting layers', isDone: false } } },
  ];
  const parts = lines.flatMap((line) => build.line(line)?.statuses ?? []);
  expect(parts.map(({ id, current, total, completed }) => [id, current, total, Boolean(completed)])).toEqual([
    ['sha256:b', 1, 2, false],
    ['sha256:b', 0, 0, true],
    ['exporting layers', 0, 0, false],
  ]);
});

it('ends the step that failed with its error', () => {
  const build = vertexes();
  begin(build, '[1/1] RUN a');
  expect(build.fail('no').vertexes).toMatchObject([
    { name: '[1/1] RUN a', error: 'no', completed: { seconds: 1 } },
  ]);
  expect(build.end().vertexes).toEqual([]);
});
