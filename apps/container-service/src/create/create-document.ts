import { checkFieldTypes, SET, withZeroValues, type FieldType, type Struct } from '@gantry/shared/documents';
import { invalidArgument } from '@gantry/shared/errors';
import { NETWORKING_CONFIG } from '../networks/endpoints';

type Fields = Struct['fields'];

const of = (type: FieldType, names: string): Fields =>
  Object.fromEntries(names.split(' ').map((name) => [name, type]));
const struct = (name: string, fields: Fields): Struct => ({ struct: `container.${name}`, fields });
const listOf = (name: string, fields: Fields): FieldType => ({ list: struct(name, fields) });
const WORDS: FieldType = { list: 'string' };
const OPTIONS: FieldType = { map: 'string' };

/** API: ContainerConfig. */
const CONFIG: Fields = {
  ...of('string', 'Hostname Domainname User Image WorkingDir StopSignal MacAddress'),
  ...of('bool', 'AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce NetworkDisabled ArgsEscaped'),
  ...of('words', 'Cmd Entrypoint Shell'),
  ...of(WORDS, 'Env OnBuild'),
  ...of(SET, 'ExposedPorts Volumes'),
  Labels: OPTIONS,
  StopTimeout: 'int',
  Healthcheck: struct('HealthConfig', {
    Test: WORDS,
    ...of('int64', 'Interval Timeout StartPeriod StartInterval'),
    Retries: 'int',
  }),
};

/** API: Resources. */
const RESOURCES: Fields = {
  ...of(
    'int64',
    'CpuShares Memory NanoCpus BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime MemoryReservation ' +
      'MemorySwap MemorySwappiness PidsLimit CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth KernelMemory ' +
      'KernelMemoryTCP',
  ),
  ...of('string', 'CgroupParent CpusetCpus CpusetMems'),
  OomKillDisable: 'bool',
  BlkioWeightDevice: listOf('WeightDevice', { Path: 'string', Weight: 'int' }),
  ...of(
    listOf('ThrottleDevice', { Path: 'string', Rate: 'int64' }),
    'BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps',
  ),
  Devices: listOf('DeviceMapping', of('string', 'PathOnHost PathInContainer CgroupPermissions')),
  DeviceCgroupRules: WORDS,
  DeviceRequests: listOf('DeviceRequest', {
    Driver: 'string',
    Count: 'int',
    DeviceIDs: WORDS,
    Capabilities: { list: WORDS },
    Options: OPTIONS,
  }),
  Ulimits: listOf('Ulimit', { Name: 'string', Hard: 'int64', Soft: 'int64' }),
};

const RESTART_POLICY = struct('RestartPolicy', { Name: 'string', MaximumRetryCount: 'int' });

/** API: Mount. */
const MOUNT: Struct = {
  struct: 'mount.Mount',
  fields: {
    ...of('string', 'Type Source Target Consistency'),
    ReadOnly: 'bool',
    BindOptions: {
      struct: 'mount.BindOptions',
      fields: {
        Propagation: 'string',
        ...of('bool', 'NonRecursive CreateMountpoint ReadOnlyNonRecursive ReadOnlyForceRecursive'),
      },
    },
    VolumeOptions: {
      struct: 'mount.VolumeOptions',
      fields: {
        NoCopy: 'bool',
        Labels: OPTIONS,
        Subpath: 'string',
        DriverConfig: { struct: 'mount.Driver', fields: { Name: 'string', Options: OPTIONS } },
      },
    },
    ImageOptions: { struct: 'mount.ImageOptions', fields: { Subpath: 'string' } },
    TmpfsOptions: {
      struct: 'mount.TmpfsOptions',
      fields: { SizeBytes: 'int64', Mode: 'int', Options: { list: WORDS } },
    },
  },
};

/** API: HostConfig. */
const HOST_CONFIG: Fields = {
  ...RESOURCES,
  ...of('int64', 'OomScoreAdj ShmSize Umask'),
  ...of(
    'string',
    'ContainerIDFile NetworkMode VolumeDriver CgroupnsMode IpcMode Cgroup PidMode UTSMode UsernsMode Runtime Isolation',
  ),
  ...of('bool', 'AutoRemove Privileged PublishAllPorts ReadonlyRootfs Init'),
  ...of('words', 'CapAdd CapDrop'),
  ...of(
    WORDS,
    'Binds VolumesFrom Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt MaskedPaths ReadonlyPaths',
  ),
  ...of(OPTIONS, 'Annotations StorageOpt Tmpfs Sysctls'),
  ConsoleSize: { list: 'int' },
  LogConfig: struct('LogConfig', { Type: 'string', Config: OPTIONS }),
  Mounts: { list: MOUNT },
  PortBindings: { map: { list: { struct: 'nat.PortBinding', fields: of('string', 'HostIp HostPort') } } },
  RestartPolicy: RESTART_POLICY,
};

const CREATE_REQUEST = struct('CreateRequest', {
  ...CONFIG,
  HostConfig: struct('HostConfig', HOST_CONFIG),
  NetworkingConfig: NETWORKING_CONFIG,
});

const UPDATE_CONFIG = struct('UpdateConfig', { ...RESOURCES, RestartPolicy: RESTART_POLICY });

/**
 * The body of a create, as Go reads it.
 * @throws InvalidArgument for a value that is none of its field's, and where there is no Config
 */
export function createDocument<T extends object>(document: T): T {
  checkFieldTypes(document, CREATE_REQUEST);
  if (!Object.keys(document).some((name) => name in CONFIG)) {
    throw invalidArgument('config cannot be empty in order to create a container');
  }
  return withZeroValues(document, CREATE_REQUEST);
}

const COMMIT_REQUEST = struct('Config', CONFIG);

/** The body of a commit, as Go reads it. @throws InvalidArgument for a value that is none of its field's */
export function configDocument<T extends object>(document: T): T {
  checkFieldTypes(document, COMMIT_REQUEST);
  return withZeroValues(document, COMMIT_REQUEST);
}

/** The body of an update, as Go reads it. @throws InvalidArgument for a value that is none of its field's */
export function updateDocument<T extends object>(document: T): T {
  checkFieldTypes(document, UPDATE_CONFIG);
  return withZeroValues(document, UPDATE_CONFIG);
}

/** The fields that the API has, and no others: what nobody knows is not kept. */
export function knownHostConfig<T extends object>(document: T): T {
  return Object.fromEntries(Object.entries(document).filter(([name]) => name in HOST_CONFIG)) as T;
}
