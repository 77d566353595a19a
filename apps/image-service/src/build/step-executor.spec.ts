import type { BuildOutput } from './build-output';
import type { BuildScope, PlannedStep } from './build-scope';
import { type BuiltImage, emptyDocument } from './built-image';
import type { CachedStep, NewStep } from './cache/step-cache';
import { StepExecutor } from './step-executor';

const before: BuiltImage = {
  id: null,
  document: emptyDocument({ os: 'linux', architecture: 'amd64', variant: '' }),
  layers: [],
  key: 'base',
};

function executor() {
  const kept = new Map<string, CachedStep>();
  const cache = {
    hold: () => {},
    find: (keys: string[]) => Promise.resolve(new Map([...kept].filter(([key]) => keys.includes(key)))),
    keep: ({ key, config, top }: NewStep) => {
      kept.set(key, { config, top, hasImage: true });
      return Promise.resolve();
    },
  };
  const images = { create: () => Promise.resolve('sha256:made'), find: () => Promise.resolve(undefined) };
  return new StepExecutor(cache as never, { isWhole: () => true } as never, images as never);
}

const scope = () =>
  ({
    request: { noCache: false },
    jobId: 'job',
    signal: new AbortController().signal,
    caches: { restore: () => Promise.resolve(undefined) },
    known: new Map(),
    keys: new Set(),
    steps: new Map(),
  }) as unknown as BuildScope;

const step = (perform: PlannedStep['perform']): PlannedStep => ({
  inputs: { run: 'npm ci' },
  createdBy: 'RUN npm ci',
  config: {},
  perform,
});

describe('a step that several builds come to', () => {
  it('is done once where they begin together', async () => {
    const steps = executor();
    const fromCache = jest.fn();
    const perform = jest.fn(() => Promise.resolve(undefined));
    const output = { fromCache } as unknown as BuildOutput;
    const builds = Array.from({ length: 6 }, () => steps.execute(before, step(perform), scope(), output));
    const keys = (await Promise.all(builds)).map(({ key }) => key);
    expect(new Set(keys).size).toBe(1);
    expect(perform).toHaveBeenCalledTimes(1);
    expect(fromCache).toHaveBeenCalledTimes(5);
  });

  it('is done by another one where it failed', async () => {
    const steps = executor();
    const perform = jest
      .fn<Promise<undefined>, []>()
      .mockRejectedValueOnce(new Error('no space'))
      .mockResolvedValue(undefined);
    const output = { fromCache: () => {} } as unknown as BuildOutput;
    const builds = Array.from({ length: 3 }, () => steps.execute(before, step(perform), scope(), output));
    const outcomes = (await Promise.allSettled(builds)).map(({ status }) => status);
    expect(outcomes).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(perform).toHaveBeenCalledTimes(2);
  });
});
