import { existsSync, readdirSync, statSync } from 'node:fs';
import { itHas, outputOf, refusalOf, runScript } from '../support/cli-flags';
import {
  blockWeight,
  cgroupV2,
  ContainerCgroup,
  kernelHas,
  type ControlFile,
} from '../support/container-cgroup';
import { freshName } from '../support/containers';
import { docker, instance } from '../support/engine';

const withSystemd = process.env['GANTRY_CGROUP_DRIVER'] === 'systemd';

/** Limits of `docker run`: each read from the control files of the container, or from /proc in it. */
describe('resource flags of docker run', () => {
  const names: string[] = [];
  afterAll(() => docker(['rm', '-f', ...names]));

  async function started(args: string[]): Promise<{ group: ContainerCgroup; stderr: string }> {
    const name = freshName('limits');
    names.push(name);
    const { code, stderr } = await docker(['run', '-d', '--name', name, ...args, 'busybox', 'sleep', '300']);
    if (code !== 0) throw new Error(stderr);
    return { group: await ContainerCgroup.of(name), stderr };
  }

  /** The disk of the host, whichever it is. */
  const disk = readdirSync('/sys/block').find((name) => existsSync(`/dev/${name}`)) ?? '';
  const number = (): string => {
    const { rdev } = statSync(`/dev/${disk}`);
    return `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
  };

  const MIB = 1024 * 1024;

  describe('in one container', () => {
    let group: ContainerCgroup;
    let stderr: string;
    beforeAll(async () => {
      ({ group, stderr } = await started([
        ...['--memory', '64m', '--memory-swap', '96m', '--memory-reservation', '32m'],
        ...['--memory-swappiness', '30', '--kernel-memory', '64m'],
        ...['--cpu-shares', '512', '--cpu-period', '50000', '--cpu-quota', '25000'],
        ...['--cpuset-cpus', '0', '--cpuset-mems', '0', '--pids-limit', '50'],
        ...[
          '--cgroup-parent',
          withSystemd ? `${instance.name}-parent.slice` : `/${instance.name}/parent`,
          '--oom-score-adj',
          '345',
        ],
      ]));
    });

    it.each<[string, ControlFile, string, string]>([
      [
        '--memory',
        { v1: ['memory', 'memory.limit_in_bytes'], v2: 'memory.max' },
        `${64 * MIB}`,
        `${64 * MIB}`,
      ],
      [
        '--memory-swap',
        { v1: ['memory', 'memory.memsw.limit_in_bytes'], v2: 'memory.swap.max' },
        `${96 * MIB}`,
        `${32 * MIB}`,
      ],
      [
        '--memory-reservation',
        { v1: ['memory', 'memory.soft_limit_in_bytes'], v2: 'memory.low' },
        `${32 * MIB}`,
        `${32 * MIB}`,
      ],
      ['--cpu-shares', { v1: ['cpu', 'cpu.shares'], v2: 'cpu.weight' }, '512', '20'],
      ['--cpu-period', { v1: ['cpu', 'cpu.cfs_period_us'], v2: 'cpu.max' }, '50000', '25000 50000'],
      ['--cpu-quota', { v1: ['cpu', 'cpu.cfs_quota_us'], v2: 'cpu.max' }, '25000', '25000 50000'],
      ['--cpuset-cpus', { v1: ['cpuset', 'cpuset.cpus'], v2: 'cpuset.cpus' }, '0', '0'],
      ['--cpuset-mems', { v1: ['cpuset', 'cpuset.mems'], v2: 'cpuset.mems' }, '0', '0'],
      ['--pids-limit', { v1: ['pids', 'pids.max'], v2: 'pids.max' }, '50', '50'],
    ])('%s', (_flag, file, v1, v2) => {
      expect(group.read(file)).toBe(cgroupV2 ? v2 : v1);
    });

    it('--memory-swappiness: set, or said that it cannot be', () => {
      const file: ControlFile = { v1: ['memory', 'memory.swappiness'], v2: 'none' };
      if (cgroupV2) expect(stderr).toContain('does not support memory swappiness');
      else expect(group.read(file)).toBe('30');
    });

    it('--cgroup-parent', () => {
      const { name } = instance;
      const path = withSystemd
        ? `^/${name}\\.slice/${name}-parent\\.slice/${name}-[0-9a-f]{64}\\.scope(/container)?$`
        : `^/${name}/parent/[0-9a-f]{64}$`;
      expect(group.path(cgroupV2 ? '' : 'memory')).toMatch(new RegExp(path));
    });

    it('--kernel-memory: gone from the API since 1.42, and nothing is limited by it', () => {
      expect(stderr).not.toContain('memory.kmem');
    });

    it('--oom-score-adj, and the processors that --cpuset-cpus leaves, as its processes see them', async () => {
      const { stdout } = await docker([
        ...['exec', names[0] ?? '', 'sh', '-c'],
        'cat /proc/1/oom_score_adj; grep Cpus_allowed_list /proc/1/status',
      ]);
      expect(stdout).toBe('345\nCpus_allowed_list:\t0\n');
    });
  });

  itHas(['--cpus'], 'a quota of the period of 100 ms', async () => {
    const { group } = await started(['--cpus', '0.5']);
    const file: ControlFile = { v1: ['cpu', 'cpu.cfs_quota_us'], v2: 'cpu.max' };
    expect(group.read(file)).toBe(cgroupV2 ? '50000 100000' : '50000');
  });

  itHas(['--memory'], 'twice as much with swap; what exceeds both is killed', async () => {
    const { group } = await started(['-m', '16m']);
    const file: ControlFile = { v1: ['memory', 'memory.memsw.limit_in_bytes'], v2: 'memory.swap.max' };
    expect(group.read(file)).toBe(`${(cgroupV2 ? 16 : 32) * MIB}`);
    const eater = await runScript(['-m', '8m', '--memory-swap', '8m'], 'head -c 64m /dev/zero | tail');
    expect(eater.code).toBe(137);
  });

  itHas(['--memory-swap', '--pids-limit'], '-1 is no limit', async () => {
    const { group } = await started(['-m', '64m', '--memory-swap', '-1', '--pids-limit', '-1']);
    const swap = group.read({ v1: ['memory', 'memory.memsw.limit_in_bytes'], v2: 'memory.swap.max' });
    expect(swap === 'max' || Number(swap) > 2 ** 60).toBe(true);
    expect(group.read({ v1: ['pids', 'pids.max'], v2: 'pids.max' })).toBe('max');
  });

  itHas(['--oom-kill-disable'], 'set on v1, warned about on v2', async () => {
    const { group, stderr } = await started(['--oom-kill-disable']);
    if (cgroupV2) return expect(stderr).toContain('OomKillDisable discarded');
    expect(stderr).toContain('OOM killer is disabled for the container, but no memory limit is set');
    const control = group.read({ v1: ['memory', 'memory.oom_control'], v2: 'none' });
    expect(control).toContain('oom_kill_disable 1');
  });

  itHas(['--pids-limit'], 'nobody forks beyond it', async () => {
    const { stderr } = await runScript(['--pids-limit', '5'], 'for i in 1 2 3 4 5 6 7; do sleep 1 & done');
    expect(stderr).toContain("can't fork");
  });

  itHas(['--ulimit'], 'of every kind the kernel has', async () => {
    const limits = await outputOf(
      ['--ulimit', 'nofile=100:200', '--ulimit', 'core=0', '--ulimit', 'nproc=77', '--ulimit', 'cpu=60:60'],
      'cat /proc/self/limits',
    );
    expect(limits).toMatch(/Max open files\s+100\s+200/);
    expect(limits).toMatch(/Max core file size\s+0\s+0/);
    expect(limits).toMatch(/Max processes\s+77\s+77/);
    expect(limits).toMatch(/Max cpu time\s+60\s+60/);
  });

  itHas(
    ['--device-read-bps', '--device-write-bps', '--device-read-iops', '--device-write-iops'],
    'in the control files of the disk',
    async () => {
      if (disk === '') return;
      const { group } = await started([
        ...['--device-read-bps', `/dev/${disk}:1mb`, '--device-write-bps', `/dev/${disk}:2mb`],
        ...['--device-read-iops', `/dev/${disk}:30`, '--device-write-iops', `/dev/${disk}:40`],
      ]);
      const read = (file: string) => group.read({ v1: ['blkio', `blkio.throttle.${file}`], v2: 'io.max' });
      if (cgroupV2) return expect(read('')).toBe(`${number()} rbps=1048576 wbps=2097152 riops=30 wiops=40`);
      expect(read('read_bps_device')).toBe(`${number()} 1048576`);
      expect(read('write_bps_device')).toBe(`${number()} 2097152`);
      expect(read('read_iops_device')).toBe(`${number()} 30`);
      expect(read('write_iops_device')).toBe(`${number()} 40`);
    },
  );

  itHas(['--blkio-weight', '--blkio-weight-device'], 'set, or said that they cannot be', async () => {
    const { group, stderr } = await started([
      ...['--blkio-weight', '300'],
      ...(disk ? ['--blkio-weight-device', `/dev/${disk}:400`] : []),
    ]);
    const weight = blockWeight(300, group);
    if (weight) expect(group.read(weight.file)).toContain(weight.value);
    else
      expect(stderr).toContain(
        'does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
      );
    const forDevice: ControlFile = { v1: ['blkio', 'blkio.weight_device'], v2: 'io.bfq.weight' };
    if (disk && !kernelHas(forDevice, group)) {
      expect(stderr).toContain('Weight-device discarded.');
    }
  });

  itHas(
    ['--cpu-rt-period', '--cpu-rt-runtime'],
    'set where the kernel lets groups have it, else refused',
    async () => {
      const period: ControlFile = { v1: ['cpu', 'cpu.rt_period_us'], v2: 'none' };
      if (!kernelHas(period)) {
        expect(await refusalOf(['--cpu-rt-period', '500000'])).toContain(
          'Your kernel does not support CPU real-time scheduler',
        );
        return;
      }
      const { group } = await started(['--cpu-rt-period', '500000']);
      expect(group.read(period)).toBe('500000');
      // The group above has to have got some first, which is the host's business.
      const { code, stderr } = await runScript(['--cpu-rt-runtime', '1000'], 'true');
      if (code !== 0) expect(stderr).toContain('cpu.rt_runtime_us');
      expect(await refusalOf(['--cpu-rt-period', '1000', '--cpu-rt-runtime', '2000'])).toContain(
        'cpu real-time runtime cannot be higher than cpu real-time period',
      );
    },
  );

  it.each([
    [['--memory', '1m'], 'Minimum memory limit allowed is 6MB'],
    [['--memory-swap', '64m'], 'You should always set the Memory limit when using Memoryswap limit'],
    [['-m', '32m', '--memory-swap', '16m'], 'Minimum memoryswap limit should be larger than memory limit'],
    [['-m', '32m', '--memory-reservation', '64m'], 'can not be less than memory reservation limit'],
    [['--cpus', '999'], 'range of CPUs is from 0.01 to'],
    [['--cpus', '1', '--cpu-quota', '5000'], 'Nano CPUs and CPU Quota cannot both be set'],
    [['--cpu-period', '1'], 'CPU cfs period can not be less than 1ms'],
    [['--cpuset-cpus', '999'], 'Requested CPUs are not available - requested 999, available: '],
    [['--cpuset-mems', '99'], 'Requested memory nodes are not available - requested 99, available: '],
    [['--cpuset-mems', 'x'], 'Invalid value x for cpuset mems: invalid format: x'],
    [['--oom-score-adj', '1001'], 'range for oom score adj is [-1000, 1000]'],
    [['--device-read-bps', '/dev/nonesuch:1mb'], 'stat /dev/nonesuch: no such file or directory'],
    [['--ulimit', 'nofile=300:200'], 'soft limit must be less than or equal to hard limit'],
    [
      ['--cgroup-parent', '/../up'],
      withSystemd ? 'should be a valid slice' : 'invalid cgroup parent: /../up',
    ],
  ])('%j is refused', async (args, words) => {
    expect(await refusalOf(args)).toContain(words);
  });

  itHas(
    ['--cpu-count', '--cpu-percent', '--io-maxbandwidth', '--io-maxiops', '--isolation'],
    'are for Windows',
    async () => {
      for (const args of [
        ['--cpu-count', '1'],
        ['--cpu-percent', '5'],
        ['--io-maxbandwidth', '1m'],
        ['--io-maxiops', '1'],
      ]) {
        expect(await refusalOf(args)).toContain('is only supported on a Docker daemon running on windows');
      }
      expect(await refusalOf(['--isolation', 'hyperv'])).toContain("invalid isolation 'hyperv' on linux");
      expect(await outputOf(['--isolation', 'default'], 'echo ran')).toBe('ran\n');
    },
  );
});
