import { loadContainerDefaults } from './container-defaults';
import { completeHostConfig } from './host-config';

const facts = {
  defaults: loadContainerDefaults({}),
  cgroupV2: false,
  cpus: 2,
  kernel: {
    memory: true,
    swap: true,
    memoryReservation: true,
    swappiness: true,
    oomKillDisable: true,
    pids: true,
    cpuShares: true,
    cpuCfs: true,
    cpuRealtime: true,
    cpuset: true,
    blkioWeight: false,
    blkioWeightDevice: false,
    blkioThrottle: true,
    cpus: '0-1',
    memoryNodes: '0',
  },
  appArmor: false,
  userRemap: false,
  cgroupDriver: 'cgroupfs' as const,
  defaultRuntime: 'crun',
  runtimes: ['crun', 'runc'],
};

describe('completeHostConfig', () => {
  it('fills in what Docker fills in', () => {
    const { hostConfig, warnings } = completeHostConfig({ Memory: 64 << 20, NetworkMode: 'default' }, facts);
    expect(warnings).toEqual([]);
    expect(hostConfig).toMatchObject({
      NetworkMode: 'bridge',
      IpcMode: 'private',
      CgroupnsMode: 'host',
      ShmSize: 67108864,
      MemorySwap: 128 << 20,
      Runtime: 'crun',
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      LogConfig: { Type: 'local' },
    });
    expect(hostConfig.MaskedPaths).toContain('/proc/kcore');
  });

  it('gives every port binding both of its fields', () => {
    const { hostConfig } = completeHostConfig(
      { PortBindings: { '80/tcp': [{} as never], '81/tcp': null } },
      facts,
    );
    expect(hostConfig.PortBindings).toEqual({ '80/tcp': [{ HostIp: '', HostPort: '' }], '81/tcp': null });
  });

  it('takes one capability without a list around it', () => {
    const { hostConfig } = completeHostConfig({ CapAdd: 'NET_ADMIN' as unknown as string[] }, facts);
    expect(hostConfig).toMatchObject({ CapAdd: ['NET_ADMIN'], CapDrop: null });
  });

  it('masks nothing in a privileged container, or where the user says so', () => {
    expect(completeHostConfig({ Privileged: true }, facts).hostConfig.MaskedPaths).toBeNull();
    expect(completeHostConfig({ MaskedPaths: [] }, facts).hostConfig.MaskedPaths).toEqual([]);
  });

  it.each([
    [{ Memory: 1 << 20 }, 'Minimum memory limit allowed is 6MB'],
    [{ NanoCpus: 3e9 }, 'range of CPUs is from 0.01 to 2.00'],
    [{ CpusetCpus: '7' }, 'Requested CPUs are not available'],
    [{ CapAdd: ['NONSENSE'] }, 'unknown capability: "CAP_NONSENSE"'],
    [{ CpusetMems: 'x' }, 'Invalid value x for cpuset mems: invalid format: x'],
    [{ CpusetMems: '5' }, 'Requested memory nodes are not available - requested 5, available: 0'],
    [{ Tmpfs: { '/t': 'size=1m,nonsense' } }, 'invalid tmpfs option ["nonsense"]'],
    [{ Isolation: 'hyperv' }, "invalid isolation 'hyperv' on linux"],
    [{ Annotations: { '': 'x' } }, 'the empty string is not permitted as an annotation key'],
    [{ CgroupParent: '/../x' }, 'invalid cgroup parent: /../x'],
    [{ Runtime: 'kata' }, 'unknown or invalid runtime name: kata'],
    [{ RestartPolicy: { Name: 'sometimes', MaximumRetryCount: 0 } }, "unknown policy 'sometimes'"],
    [
      { AutoRemove: true, RestartPolicy: { Name: 'always', MaximumRetryCount: 0 } },
      "can't create 'AutoRemove' container with restart policy",
    ],
    [{ LogConfig: { Type: 'gelf', Config: {} } }, 'gelf-address is a required parameter'],
    [{ SecurityOpt: ['nonsense=1'] }, 'invalid --security-opt 2: "nonsense=1"'],
  ])('refuses %j', (given, message) => {
    expect(() => completeHostConfig(given, facts)).toThrow(message);
  });

  it('says that it applies no AppArmor profile where there is no AppArmor', () => {
    const given = { SecurityOpt: ['apparmor=mine'] };
    expect(completeHostConfig(given, facts).warnings).toEqual([
      'AppArmor is not available on this host: profile ignored',
    ]);
    expect(completeHostConfig({ SecurityOpt: ['apparmor=unconfined'] }, facts).warnings).toEqual([]);
  });

  it('takes away what the kernel cannot do and says so', () => {
    const given = {
      BlkioWeight: 5,
      BlkioWeightDevice: [{ Path: '/dev/x', Weight: 3 }],
      OomKillDisable: true,
    };
    const { hostConfig, warnings } = completeHostConfig(given, facts);
    expect(hostConfig).toMatchObject({ BlkioWeight: 0, BlkioWeightDevice: [], OomKillDisable: true });
    expect(warnings).toEqual([
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
      'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
      'Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.',
    ]);
  });
});
