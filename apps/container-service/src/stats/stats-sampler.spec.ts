import { RecordingLinux } from '@gantry/shared/linux';
import type { ContainerRecord } from '../records/container-record';
import { StatsSampler } from './stats-sampler';

/** Of this very process, whose network counters can be read. */
const record = {
  id: 'abc',
  state: { Running: true, Pid: process.pid },
  process: { cgroup: '/x/abc' },
  hostConfig: { NetworkMode: 'none' },
} as ContainerRecord;

describe('the sampler', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const begin = () => {
    const linux = new RecordingLinux().answer('cgroups', 'stats', { counted: true } as never);
    return { sampler: new StatsSampler(linux), looks: () => linux.callsOf('cgroups', 'stats').length };
  };

  it('looks once a second, however many want to know, and not at all when nobody does', () => {
    const { sampler, looks } = begin();
    const heard = [0, 0, 0];
    const stops = heard.map((_, index) =>
      sampler.subscribe(record, () => (heard[index] = (heard[index] ?? 0) + 1)),
    );
    jest.advanceTimersByTime(3_000);
    expect(heard).toEqual([3, 3, 3]);
    expect(looks()).toBe(4);
    stops.slice(1).forEach((stop) => stop());
    jest.advanceTimersByTime(1_000);
    expect(heard).toEqual([4, 3, 3]);
    stops[0]?.();
    jest.advanceTimersByTime(10_000);
    expect(looks()).toBe(5);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('tells each sample with the one before, and that there is none', () => {
    const { sampler } = begin();
    const heard: unknown[][] = [];
    const stop = sampler.subscribe(record, (...samples) => heard.push(samples));
    jest.advanceTimersByTime(2_000);
    expect(heard[1]?.[1]).toBe(heard[0]?.[0]);
    record.state.Running = false;
    jest.advanceTimersByTime(1_000);
    record.state.Running = true;
    expect(heard[2]?.[0]).toBeUndefined();
    stop();
  });
});
