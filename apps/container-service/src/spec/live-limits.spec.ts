import { RecordingLinux, SystemError } from '@gantry/shared/linux';
import { UNSET_RESOURCES } from '../create/host-config';
import type { Resources } from '../records/api-documents';
import { LiveLimits } from './live-limits';

const ENOENT = 2;

/** What is written to the files of a container's group on cgroup v2; `absent`: files that this kernel does not have. */
function written(before: Partial<Resources>, after: Partial<Resources>, absent: string[] = []): string[] {
  const linux = new RecordingLinux();
  linux.answer('cgroups', 'write', (_path, _controller, file) => {
    if (absent.includes(file)) throw new SystemError(ENOENT, 'open', file);
  });
  new LiveLimits(linux.cgroups).apply(
    '/gantry/id',
    { ...UNSET_RESOURCES, ...before },
    { ...UNSET_RESOURCES, ...before, ...after },
  );
  return linux
    .callsOf('cgroups', 'write')
    .map(([, controller, file, value]) => [controller, file, value].join(' '));
}

describe('limits of a running container on cgroup v2', () => {
  it('are written as the runtime writes them at the start', () => {
    expect(written({}, { CpuShares: 512, NanoCpus: 5e8, CpusetCpus: '0' })).toEqual([
      'cpu cpu.weight 20',
      'cpu cpu.max 50000 100000',
      'cpuset cpuset.cpus 0',
    ]);
    expect(written({ Memory: 64, MemorySwap: 96 }, { Memory: 128, MemorySwap: 160 })).toEqual([
      'memory memory.swap.max 32',
      'memory memory.max 128',
    ]);
    expect(written({}, { NanoCpus: 1 })).toEqual(['cpu cpu.max max 100000']);
  });

  it.each([
    [10, '1'],
    [500, '4950'],
    [1000, '10000'],
  ])('the weight %d of block devices is %s, and itself where the kernel has bfq', (weight, converted) => {
    const files = written({}, { BlkioWeight: weight }, ['io.bfq.weight']);
    expect(files.at(-1)).toBe(`io io.weight ${converted}`);
    expect(written({}, { BlkioWeight: weight })).toEqual([`io io.bfq.weight ${weight}`]);
  });
});
