import { existsSync, mkdirSync } from 'node:fs';
import { parseMountInfo } from '../mount-info';
import { KernelMounts } from '../mounts';
import { HostProcesses } from '../processes/host-processes';
import { KernelCgroups } from './kernel-cgroups';
import { detectLayout, missingControllers } from './layout';
import { readOomKills, readStats } from './stats';

const hybrid = parseMountInfo(
  [
    '31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw',
    '32 31 0:29 / /mnt/elsewhere rw - cgroup cgroup rw,memory',
    '33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
    '34 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory',
    '40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd',
    '41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
  ].join('\n'),
);
const procCgroups =
  '#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t1\t1\nhugetlb\t0\t1\t1\nnet_cls\t0\t1\t1\nrdma\t0\t1\t0\n';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('layout', () => {
  it('knows a hybrid host', () => {
    expect(detectLayout(hybrid, () => [])).toEqual({
      version: 'hybrid',
      controllers: ['cpu', 'cpuacct', 'memory'],
      mounts: {
        cpu: '/sys/fs/cgroup/cpu,cpuacct',
        cpuacct: '/sys/fs/cgroup/cpu,cpuacct',
        memory: '/sys/fs/cgroup/memory',
        systemd: '/sys/fs/cgroup/systemd',
        unified: '/sys/fs/cgroup/unified',
      },
    });
  });

  it('knows v1 and v2', () => {
    expect(detectLayout(hybrid.slice(0, 4), () => []).version).toBe('v1');
    const v2 = parseMountInfo('31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate');
    expect(detectLayout(v2, () => ['cpu', 'io'])).toEqual({
      version: 'v2',
      controllers: ['cpu', 'io'],
      mounts: { unified: '/sys/fs/cgroup' },
    });
  });

  it('finds what crun misses', () => {
    const layout = detectLayout(hybrid, () => []);
    expect(missingControllers(layout, procCgroups, ['hugetlb', 'rdma'])).toEqual(['hugetlb']);
    expect(missingControllers(layout, procCgroups, [])).toEqual([]);
    expect(missingControllers({ ...layout, version: 'v2' }, procCgroups, ['hugetlb'])).toEqual([]);
  });
});

it('mounts the missing controllers of a hybrid host and says so', () => {
  const mounted: unknown[][] = [];
  const real = new KernelMounts();
  const cgroups = new KernelCgroups({
    listMounts: () => real.listMounts().filter((mount) => !mount.superOptions.includes('hugetlb')),
    mount: (...all) => void mounted.push(all),
  });
  const { version, mounts } = cgroups.layout();
  const said = cgroups.prepareHost();
  expect(said).toHaveLength(mounted.length);
  if (version !== 'hybrid') expect(mounted).toEqual([]);
  for (const [index, call] of mounted.entries()) {
    const controller = String(call[4]);
    expect(call.slice(0, 3)).toEqual(['cgroup', `/sys/fs/cgroup/${controller}`, 'cgroup']);
    expect(mounts[controller]).toBeUndefined();
    expect(said[index]).toContain(controller);
  }
});

describe('stats', () => {
  const from = (v2: boolean, files: Record<string, string>) => ({
    v2,
    read: (_: string, file: string): string | undefined => files[file],
  });

  it('reads v1', () => {
    const stats = readStats(
      from(false, {
        'cpuacct.usage': '5000',
        'cpuacct.usage_percpu': '2000 3000 ',
        'cpuacct.stat': 'user 2\nsystem 3',
        'cpu.stat': 'nr_periods 4\nnr_throttled 5\nthrottled_time 6',
        'memory.usage_in_bytes': '7',
        'memory.limit_in_bytes': '9223372036854771712',
        'memory.stat': 'cache 8\ntotal_inactive_file 9',
        'pids.max': 'max',
        'blkio.throttle.io_service_bytes_recursive': '8:0 Read 10\n8:0 Write 11\nTotal 21',
      }),
    );
    expect(stats.cpu).toEqual({
      usage: 5000,
      user: 20_000_000,
      system: 30_000_000,
      perCpu: [2000, 3000],
      periods: 4,
      throttledPeriods: 5,
      throttledTime: 6,
    });
    expect(stats.memory).toMatchObject({
      usage: 7,
      limit: undefined,
      stat: { cache: 8, total_inactive_file: 9 },
    });
    expect(stats.pids).toEqual({ current: undefined, limit: undefined });
    expect(stats.blkio.ioServiceBytes).toEqual([
      { major: 8, minor: 0, op: 'Read', value: 10 },
      { major: 8, minor: 0, op: 'Write', value: 11 },
    ]);
  });

  it('reads v2', () => {
    const files = from(true, {
      'cpu.stat': 'usage_usec 5\nuser_usec 2\nsystem_usec 3\nnr_periods 1\nnr_throttled 1\nthrottled_usec 4',
      'memory.current': '100',
      'memory.max': '200',
      'memory.events': 'low 0\nmax 3\noom_kill 2',
      'memory.stat': 'anon 1\ninactive_file 2',
      'pids.current': '3',
      'pids.max': '10',
      'io.stat': '8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0',
    });
    const stats = readStats(files);
    expect(stats.cpu).toMatchObject({ usage: 5000, user: 2000, system: 3000, throttledTime: 4000 });
    expect(stats.memory).toMatchObject({ usage: 100, limit: 200, failures: 3 });
    expect(stats.pids).toEqual({ current: 3, limit: 10 });
    expect(stats.blkio.ioServiced).toEqual([
      { major: 8, minor: 0, op: 'read', value: 3 },
      { major: 8, minor: 0, op: 'write', value: 4 },
    ]);
    expect(readOomKills(files)).toBe(2);
  });
});

describe('on this kernel', () => {
  const cgroups = new KernelCgroups(new KernelMounts());
  const processes = new HostProcesses();
  const path = `/gantry-cgroups-spec-${process.pid}`;
  let pid: number;

  beforeEach(() => {
    for (const directory of Object.values(cgroups.directories(path)))
      mkdirSync(`${directory}/below`, { recursive: true });
    pid = processes.spawn({
      path: '/bin/sh',
      argv: ['sh', '-c', 'while :; do sleep 1000 & wait; done'],
      env: { PATH: '/bin' },
    });
    for (const key of Object.keys(cgroups.layout().mounts)) {
      // A cpuset takes no process before it has processors and memory nodes; the others do.
      if (key !== 'cpuset') cgroups.write(`${path}/below`, key, 'cgroup.procs', String(pid));
    }
  });

  afterEach(async () => {
    await cgroups.killAll(path);
    await cgroups.remove(path);
  });

  it('follows the life of a group', async () => {
    expect(cgroups.pids(path)).toContain(pid);
    const controller = cgroups.layout().controllers.includes('pids') ? 'pids' : 'memory';
    expect(cgroups.pathOf(pid, controller)).toBe(`${path}/below`);

    await cgroups.freeze(path);
    expect(cgroups.isFrozen(path)).toBe(true);
    await cgroups.thaw(path);
    expect(cgroups.isFrozen(path)).toBe(false);

    const stats = cgroups.stats(path);
    expect(stats.memory.usage).toBeGreaterThanOrEqual(0);
    expect(stats.cpu.usage).toBeGreaterThan(0);
    if (cgroups.layout().controllers.includes('pids')) expect(stats.pids.current).toBeGreaterThan(0);
    expect(cgroups.oomKills(path)).toBe(0);

    await expect(cgroups.remove(path, 30)).rejects.toMatchObject({ code: 'EBUSY' });
    await cgroups.freeze(path);
    expect(await cgroups.killAll(path)).toBe(true);
    await processes.wait(pid);
    await cgroups.remove(path);
    expect(Object.values(cgroups.directories(path)).filter((directory) => existsSync(directory))).toEqual([]);
    expect(cgroups.pids(path)).toEqual([]);
    await cgroups.remove(path);
  });

  it('tells of each kill for memory, and goes without a word', async () => {
    const v2 = cgroups.layout().version === 'v2';
    cgroups.write(path, 'memory', v2 ? 'memory.max' : 'memory.limit_in_bytes', String(16 << 20));
    let told = 0; // v1: of one kill there may be more than one notice
    const stop = cgroups.onOom(path, () => (told += 1));
    const group = cgroups.directory(`${path}/below`, 'memory');
    const greedy = ['sh', '-c', `echo $$ > ${group}/cgroup.procs; exec tail /dev/zero`];
    for (const kills of [1, 2]) {
      const taken = processes.spawn({ path: '/bin/sh', argv: greedy, env: { PATH: '/usr/bin:/bin' } });
      expect(await processes.wait(taken)).toMatchObject({ signal: 'SIGKILL' });
      await until(() => told >= kills);
    }
    await cgroups.killAll(path);
    const before = told;
    await cgroups.remove(path);
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toBe(before);
    stop();
  });

  it('never touches the root', async () => {
    await expect(cgroups.remove('/')).rejects.toThrow(RangeError);
    expect(() => cgroups.directories('/a/../..')).toThrow(RangeError);
  });
});
