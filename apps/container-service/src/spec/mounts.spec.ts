import type { HostConfig } from '../records/api-documents';
import type { ContainerMount } from '../records/container-record';
import { ociMounts } from './mounts';

const sources = {
  resolvConf: '/r',
  hostname: '/n',
  hosts: '/h',
  readonlyBelow: true,
  writableCgroups: false,
};
const hostConfig = { Privileged: false, ShmSize: 64 } as HostConfig;
const bind = (Source: string, Destination: string, RW = true): ContainerMount => ({
  Type: 'bind',
  Source,
  Destination,
  Mode: '',
  RW,
  Propagation: 'rprivate',
  copyUp: false,
  createSource: false,
  recursive: true,
  anonymous: false,
});

describe('ociMounts', () => {
  it('makes outer mounts before inner ones and after those of the system', () => {
    const order = ociMounts(hostConfig, [bind('/2', '/a/b'), bind('/1', '/a')], sources).map(
      (mount) => mount.destination,
    );
    expect(order.indexOf('/proc')).toBe(0);
    expect(order.indexOf('/a')).toBeLessThan(order.indexOf('/a/b'));
  });

  it('gives way to what the user mounts', () => {
    const mounts = ociMounts(
      hostConfig,
      [bind('/mine', '/etc/hosts', false), bind('/shm', '/dev/shm')],
      sources,
    );
    expect(mounts.filter((mount) => mount.destination === '/etc/hosts')).toEqual([
      { destination: '/etc/hosts', type: 'bind', source: '/mine', options: ['rbind', 'rprivate', 'rro'] },
    ]);
    expect(mounts.filter((mount) => mount.destination === '/dev/shm')).toHaveLength(1);
  });

  it.each([
    [true, undefined, 'rro'],
    [true, 'no', 'ro'],
    [true, 'required', 'rro'],
    [false, 'wanted', 'ro'],
  ] as const)('read-only with the mounts below (possible: %s, %s): %s', (possible, readonlyBelow, option) => {
    const mount = { ...bind('/1', '/a', false), readonlyBelow };
    const mounts = ociMounts(hostConfig, [mount], { ...sources, readonlyBelow: possible });
    expect(mounts.find(({ destination }) => destination === '/a')?.options.at(-1)).toBe(option);
  });

  it('refuses what the kernel cannot do', () => {
    const mount = { ...bind('/1', '/a', false), readonlyBelow: 'required' as const };
    expect(() => ociMounts(hostConfig, [mount], { ...sources, readonlyBelow: false })).toThrow('Linux 5.12');
  });

  it('keeps tmpfs safe unless told otherwise', () => {
    const mounts = ociMounts({ ...hostConfig, Tmpfs: { '/a': '', '/b': 'exec,size=1m' } }, [], sources);
    const options = (path: string) => mounts.find((mount) => mount.destination === path)?.options;
    expect(options('/a')).toEqual(['noexec', 'nosuid', 'nodev']);
    expect(options('/b')).toEqual(['nosuid', 'nodev', 'exec', 'size=1m']);
  });
});
