import type { Redis } from 'ioredis';
import type { InstanceConfig } from '../config';
import { followJob, JobProgress } from './job-progress';

type Entry = [id: string, fields: string[]];

/** As much of a Redis as a job's progress needs. */
class FakeRedis {
  entries: Entry[] = [];
  readonly keys = new Map<string, string>();
  refusals = 0;
  private count = 0;

  pipeline() {
    const commands: (() => unknown)[] = [];
    const later = (command: () => unknown) => {
      commands.push(command);
      return pipeline;
    };
    const pipeline = {
      xadd: (_key: string, _id: string, _field: string, entry: string) =>
        later(() => {
          const id = `7-${this.count++}`;
          this.entries.push([id, ['entry', entry]]);
          return id;
        }),
      expire: () => later(() => 1),
      set: (key: string, value: string) => later(() => this.keys.set(key, value)),
      xtrim: (_key: string, _how: string, first: string) =>
        later(() => (this.entries = this.entries.filter(([id]) => numberOf(id) >= numberOf(first)))),
      exec: async () => {
        if (this.refusals-- > 0) return commands.map(() => [new Error('MISCONF no space left'), undefined]);
        return commands.map((command) => [null, command()]);
      },
    };
    return pipeline;
  }

  async expire(): Promise<number> {
    return 1;
  }

  async get(key: string): Promise<string | null> {
    return this.keys.get(key) ?? null;
  }

  async xread(...words: (string | number)[]) {
    const last = numberOf(String(words.at(-1)));
    return [['key', this.entries.filter(([id]) => numberOf(id) > last).slice(0, 2)]];
  }
}

const numberOf = (id: string): number => (id === '0-0' ? -1 : Number(id.split('-')[1]));

describe('the progress of a job', () => {
  const config = { redisPrefix: 'x:', nodeId: 'node' } as InstanceConfig;
  const begin = () => {
    const fake = new FakeRedis();
    return {
      fake,
      redis: fake as unknown as Redis,
      progress: new JobProgress(fake as unknown as Redis, config, 'j'),
    };
  };
  const read = async (lines: AsyncGenerator<unknown, unknown>, count = Infinity) => {
    const got: unknown[] = [];
    while (got.length < count) {
      const { done, value } = await lines.next();
      if (done) return { got, result: value };
      got.push(value);
    }
    return { got };
  };

  it('is told whole to who keeps up, and its result', async () => {
    const { redis, progress } = begin();
    await progress.lines([{ stream: 'a' }, { stream: 'b' }]);
    await progress.line({ stream: 'c' });
    await progress.done('end');
    const lines = followJob(redis, config, 'j', new AbortController().signal, async () => true);
    expect(await read(lines)).toEqual({
      got: [{ stream: 'a' }, { stream: 'b' }, { stream: 'c' }],
      result: 'end',
    });
  });

  it('takes no more room than it may, and says what somebody misses who is slow', async () => {
    const { fake, redis, progress } = begin();
    const piece = 'x'.repeat(1024 * 1024);
    await progress.lines([{ stream: 'first' }]);
    const lines = followJob(redis, config, 'j', new AbortController().signal, async () => true);
    expect(await read(lines, 1)).toEqual({ got: [{ stream: 'first' }] });
    for (let number = 0; number < 40; number++) await progress.lines([{ stream: `${number} ${piece}` }]);
    await progress.done('end');
    expect(fake.entries.length).toBeLessThan(18);
    const { got, result } = await read(lines);
    expect(got[0]).toEqual({ stream: expect.stringContaining('output clipped') as string });
    expect(got.at(-1)).toEqual({ stream: `39 ${piece}` });
    expect(got.length).toBeLessThan(18);
    expect(result).toBe('end');
  });

  it('waits for a Redis whose disk is full', async () => {
    const { fake, progress } = begin();
    fake.refusals = 2;
    await progress.failed(new Error('no space left on device'));
    expect(fake.entries).toHaveLength(1);
  });
});
