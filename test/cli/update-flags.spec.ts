import { flagsOf } from '../support/cli-flags';
import {
  blockWeight,
  cgroupV2,
  ContainerCgroup,
  kernelHas,
  type ControlFile,
} from '../support/container-cgroup';
import { freshName } from '../support/containers';
import { docker } from '../support/engine';
import { eventually } from '../support/eventually';

/** `docker update` of a container that runs: what its control files say afterwards. */
describe('docker update', () => {
  const name = freshName('updated');
  const MIB = 1024 * 1024;
  let group: ContainerCgroup;
  beforeAll(async () => {
    await docker(['run', '-d', '--name', name, 'busybox', 'sleep', '300']);
    group = await ContainerCgroup.of(name);
  });
  afterAll(() => docker(['rm', '-f', name]));

  async function update(...args: string[]) {
    const result = await docker(['update', ...args, name]);
    if (result.code !== 0) throw new Error(result.stderr);
    return result.stdout;
  }

  it.each<[string[], ControlFile, string, string]>([
    [
      ['--memory', '64m', '--memory-swap', '96m'],
      { v1: ['memory', 'memory.limit_in_bytes'], v2: 'memory.max' },
      `${64 * MIB}`,
      `${64 * MIB}`,
    ],
    [
      ['--memory-swap', '128m'],
      { v1: ['memory', 'memory.memsw.limit_in_bytes'], v2: 'memory.swap.max' },
      `${128 * MIB}`,
      `${64 * MIB}`,
    ],
    [
      ['--memory-reservation', '32m'],
      { v1: ['memory', 'memory.soft_limit_in_bytes'], v2: 'memory.low' },
      `${32 * MIB}`,
      `${32 * MIB}`,
    ],
    [['--cpu-shares', '512'], { v1: ['cpu', 'cpu.shares'], v2: 'cpu.weight' }, '512', '20'],
    [['--cpus', '0.5'], { v1: ['cpu', 'cpu.cfs_quota_us'], v2: 'cpu.max' }, '50000', '50000 100000'],
    [['--cpuset-cpus', '0'], { v1: ['cpuset', 'cpuset.cpus'], v2: 'cpuset.cpus' }, '0', '0'],
    [['--cpuset-mems', '0'], { v1: ['cpuset', 'cpuset.mems'], v2: 'cpuset.mems' }, '0', '0'],
    [['--pids-limit', '33'], { v1: ['pids', 'pids.max'], v2: 'pids.max' }, '33', '33'],
    [['--pids-limit', '-1'], { v1: ['pids', 'pids.max'], v2: 'pids.max' }, 'max', 'max'],
  ])('%j', async (args, file, v1, v2) => {
    await update(...args);
    expect(group.read(file)).toBe(cgroupV2 ? v2 : v1);
  });

  it('--cpu-period and --cpu-quota, where no --cpus are set', async () => {
    const other = freshName('updated');
    await docker(['run', '-d', '--name', other, 'busybox', 'sleep', '300']);
    try {
      await docker(['update', '--cpu-period', '50000', '--cpu-quota', '20000', other]);
      const its = await ContainerCgroup.of(other);
      if (cgroupV2) return expect(its.read({ v1: ['', ''], v2: 'cpu.max' })).toBe('20000 50000');
      expect(its.read({ v1: ['cpu', 'cpu.cfs_period_us'], v2: '' })).toBe('50000');
      expect(its.read({ v1: ['cpu', 'cpu.cfs_quota_us'], v2: '' })).toBe('20000');
    } finally {
      await docker(['rm', '-f', other]);
    }
    const refused = await docker(['update', '--cpu-quota', '20000', name]);
    expect(refused.stderr).toContain('CPU Quota cannot be updated as NanoCPUs has already been set');
  });

  it('--blkio-weight, --cpu-rt-period, --cpu-rt-runtime: set, or said that they cannot be', async () => {
    const weight = blockWeight(300, group);
    const said = await update('--blkio-weight', '300');
    if (weight) expect(group.read(weight.file)).toContain(weight.value);
    else expect(said).toContain('does not support Block I/O weight');
    const period: ControlFile = { v1: ['cpu', 'cpu.rt_period_us'], v2: 'none' };
    const { code, stderr } = await docker([
      'update',
      '--cpu-rt-period',
      '500000',
      '--cpu-rt-runtime',
      '0',
      name,
    ]);
    if (kernelHas(period)) expect([code, group.read(period)]).toEqual([0, '500000']);
    else expect(stderr).toContain('Your kernel does not support CPU real-time scheduler');
  });

  it('--kernel-memory: older CLIs offer it, the API has it no more', async () => {
    if (!flagsOf('update').has('--kernel-memory')) return;
    expect(await update('--kernel-memory', '64m')).toContain(name);
  });

  it('--restart: the next end is followed by a start', async () => {
    const once = freshName('updated');
    await docker(['run', '-d', '--name', once, 'busybox', 'sleep', '300']);
    try {
      await docker(['update', '--restart', 'on-failure:1', once]);
      const pid = async () => (await docker(['inspect', '-f', '{{.State.Pid}}', once])).stdout.trim();
      const before = await pid();
      process.kill(Number(before), 'SIGKILL');
      await eventually(async () => expect(['0', before]).not.toContain(await pid()));
    } finally {
      await docker(['rm', '-f', once]);
    }
  });

  it.each([
    [['--memory', '1m'], 'Minimum memory limit allowed is 6MB'],
    [['--memory', '1g'], 'Memory limit should be smaller than already set memoryswap limit'],
    [['--cpuset-cpus', '999'], 'Requested CPUs are not available'],
    [['--cpus', '999'], 'range of CPUs is from 0.01 to'],
    [['--restart', 'sometimes'], 'sometimes'],
  ])('%j is refused, and nothing changes', async (args, words) => {
    const memory: ControlFile = { v1: ['memory', 'memory.limit_in_bytes'], v2: 'memory.max' };
    const before = group.read(memory);
    const { code, stderr } = await docker(['update', ...args, name]);
    expect(code).toBe(1);
    expect(stderr).toContain(words);
    expect(group.read(memory)).toBe(before);
  });
});
