import { migratesSlowly, missingControllers, parseCgroupLayout, unmountedControllers } from './cgroups.mjs';

const procCgroups = [
  '#subsys_name\thierarchy\tnum_cgroups\tenabled',
  ...['cpu', 'cpuset', 'memory', 'pids', 'hugetlb'].map((name) => `${name}\t0\t1\t1`),
  'rdma\t0\t1\t0',
].join('\n');
const v1 = (...controllers: string[]) =>
  controllers.map((name) => `1 0 0:1 / /sys/fs/cgroup/${name} rw - cgroup cgroup rw,${name}`);
const unified = (at: string) => `2 0 0:2 / ${at} rw - cgroup2 cgroup2 rw`;
const layout = (mounts: string[], controllers = '') =>
  parseCgroupLayout({ mountInfo: mounts.join('\n'), procCgroups, controllersOf: () => `${controllers}\n` });

describe('the cgroup layout', () => {
  it('is v2 with one tree', () => {
    const found = layout([unified('/sys/fs/cgroup')], 'cpu cpuset memory pids');
    expect(found.version).toBe('v2');
    expect(missingControllers(found)).toEqual([]);
    expect(unmountedControllers(found)).toEqual([]);
  });

  it('is hybrid with v1 controllers beside the v2 tree, which must not keep one', () => {
    const mounts = [...v1('cpu', 'cpuset', 'memory', 'pids'), unified('/sys/fs/cgroup/unified')];
    expect(layout(mounts).version).toBe('hybrid');
    expect(unmountedControllers(layout(mounts, 'hugetlb'))).toEqual(['hugetlb']);
  });

  it('names the controllers that are not there', () => {
    expect(missingControllers(layout([unified('/sys/fs/cgroup')], 'cpu cpuset'))).toEqual(['memory', 'pids']);
    expect(missingControllers(layout(v1('cpu', 'memory')))).toEqual(['cpuset', 'pids']);
  });

  it('moves processes slowly unless a kernel that can do better was told to', () => {
    const found = layout([unified('/sys/fs/cgroup')]);
    expect(migratesSlowly(found, '6.1.0-18-amd64')).toBe(true);
    expect(migratesSlowly(found, '5.10.0')).toBe(false);
    expect(migratesSlowly(layout([`${unified('/sys/fs/cgroup')},nsdelegate,favordynmods`]), '6.18.4')).toBe(
      false,
    );
    expect(migratesSlowly(layout([]), '6.1.0')).toBe(false);
  });

  it('may not be mounted yet', () => {
    expect(layout([]).version).toBe('none');
    expect(missingControllers(layout([]))).toEqual([]);
  });
});
