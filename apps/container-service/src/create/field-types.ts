import { invalidArgument } from '@gantry/shared/errors';

type Kind = 'int64' | 'string' | 'bool' | '[]' | 'map';
type Types = Record<string, Kind>;

const of = (kind: Kind, names: string): [string, Kind][] => names.split(' ').map((name) => [name, kind]);

/** API: ContainerConfig. Cmd, Entrypoint and Shell may be a single string. */
const CONFIG: Types = Object.fromEntries([
  ...of('string', 'Hostname Domainname User Image WorkingDir StopSignal MacAddress'),
  ...of('bool', 'AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce NetworkDisabled ArgsEscaped'),
  ...of('int64', 'StopTimeout'),
  ...of('[]', 'Env OnBuild'),
  ...of('map', 'ExposedPorts Volumes Labels Healthcheck HostConfig NetworkingConfig'),
]);

/** API: HostConfig, with Resources. */
const HOST_CONFIG: Types = Object.fromEntries([
  ...of(
    'int64',
    'CpuShares Memory NanoCpus BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime MemoryReservation ' +
      'MemorySwap MemorySwappiness PidsLimit CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth KernelMemory ' +
      'KernelMemoryTCP OomScoreAdj ShmSize Umask',
  ),
  ...of(
    'string',
    'CgroupParent CpusetCpus CpusetMems ContainerIDFile NetworkMode VolumeDriver CgroupnsMode IpcMode Cgroup PidMode ' +
      'UTSMode UsernsMode Runtime Isolation',
  ),
  ...of('bool', 'OomKillDisable AutoRemove Privileged PublishAllPorts ReadonlyRootfs Init'),
  ...of(
    '[]',
    'BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps Devices ' +
      'DeviceCgroupRules DeviceRequests Ulimits Binds VolumesFrom Mounts ConsoleSize CapAdd CapDrop Dns DnsOptions ' +
      'DnsSearch ExtraHosts GroupAdd Links SecurityOpt MaskedPaths ReadonlyPaths',
  ),
  ...of('map', 'LogConfig PortBindings RestartPolicy Annotations StorageOpt Tmpfs Sysctls'),
]);

/** @throws InvalidArgument as a Go engine words it, for a value that is none of its field's. */
export function checkConfigTypes(document: object): void {
  check(document, CONFIG, 'CreateRequest');
}

/** The fields that the API has, and no others: what nobody knows is not kept. @throws InvalidArgument */
export function knownHostConfig<T extends object>(document: T): T {
  check(document, HOST_CONFIG, 'CreateRequest.HostConfig');
  const known = Object.entries(document).filter(([name]) => name in HOST_CONFIG);
  return Object.fromEntries(known) as T;
}

function check(document: object, types: Types, path: string): void {
  for (const [name, value] of Object.entries(document) as [string, unknown][]) {
    const wanted = types[name];
    if (wanted === undefined || value === null || value === undefined) continue;
    const given = kindOf(value);
    if (given === wanted) continue;
    const found = { int64: 'number', '[]': 'array', map: 'object' }[given as string] ?? given;
    throw invalidArgument(
      `json: cannot unmarshal ${found} into Go struct field ${path}.${name} of type ${wanted}`,
    );
  }
}

function kindOf(value: unknown): Kind | 'number' {
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'number';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'string' ? 'string' : 'map';
}
