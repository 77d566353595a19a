import { containerCapabilities, MASKED_PATHS, READONLY_PATHS } from '@gantry/shared/oci';
import type { HostFacts } from '../host-facts';
import { checkLogConfig, chosenLogConfig } from '../log-drivers/log-drivers';
import type { HostConfig, Resources, Ulimit } from '../records/api-documents';
import { parseDeviceRule } from '../spec/devices';
import { rlimits } from '../spec/resources';
import { words } from './container-config';
import { checkExtraHosts } from './extra-hosts-check';
import { checkModes } from './mode-checks';
import { checkResources } from './resource-checks';
import { checkRestartPolicy } from './restart-policy-check';
import { checkSecurity } from './security-checks';
import { checkTmpfs } from './tmpfs-options';

/** API: Resources in which nothing is asked for. */
export const UNSET_RESOURCES: Resources = {
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: [],
  BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: [],
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
};

/**
 * The HostConfig of a new container: complete, checked, with what could not be honoured as Docker's warnings.
 * @throws InvalidArgument in Docker's words.
 */
export function completeHostConfig(
  given: Partial<HostConfig>,
  facts: HostFacts,
): { hostConfig: HostConfig; warnings: string[] } {
  const warnings: string[] = [];
  const hostConfig: HostConfig = {
    ...UNSET_RESOURCES,
    Binds: null,
    ContainerIDFile: '',
    AutoRemove: false,
    VolumeDriver: '',
    VolumesFrom: null,
    Dns: [],
    DnsOptions: [],
    DnsSearch: [],
    ExtraHosts: null,
    GroupAdd: null,
    Cgroup: '',
    Links: null,
    OomScoreAdj: 0,
    PidMode: '',
    Privileged: false,
    PublishAllPorts: false,
    ReadonlyRootfs: false,
    SecurityOpt: null,
    UTSMode: '',
    UsernsMode: '',
    Isolation: '',
    ...dropNulls(given),
    CapAdd: words(given.CapAdd),
    CapDrop: words(given.CapDrop),
    OomKillDisable: given.OomKillDisable ?? false,
    ConsoleSize: given.ConsoleSize ?? [0, 0],
    PortBindings: completeBindings(given.PortBindings),
    LogConfig: chosenLogConfig(given.LogConfig, facts.defaults.log),
    Ulimits: withDefaultUlimits(given.Ulimits ?? [], facts.defaults.ulimits),
    NetworkMode: !given.NetworkMode || given.NetworkMode === 'default' ? 'bridge' : given.NetworkMode,
    RestartPolicy: {
      Name: given.RestartPolicy?.Name || 'no',
      MaximumRetryCount: given.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    CgroupnsMode: given.CgroupnsMode || defaultCgroupns(given.Privileged === true, facts),
    IpcMode: given.IpcMode || facts.defaults.ipcMode,
    ShmSize: given.ShmSize || facts.defaults.shmSize,
    Runtime: given.Runtime || facts.defaultRuntime,
    MaskedPaths: given.MaskedPaths ?? (given.Privileged ? null : MASKED_PATHS),
    ReadonlyPaths: given.ReadonlyPaths ?? (given.Privileged ? null : READONLY_PATHS),
  };
  checkResources(hostConfig, facts, warnings);
  checkModes(hostConfig, facts, warnings);
  checkRestartPolicy(hostConfig);
  checkLogConfig(hostConfig.LogConfig);
  containerCapabilities(hostConfig.CapAdd, hostConfig.CapDrop, hostConfig.Privileged);
  rlimits(hostConfig.Ulimits);
  hostConfig.DeviceCgroupRules?.forEach(parseDeviceRule);
  checkSecurity(hostConfig, facts, warnings);
  checkTmpfs(hostConfig);
  checkExtraHosts(hostConfig.ExtraHosts);
  return { hostConfig, warnings };
}

/** On cgroup v1 a privileged container sees the host's, whatever the default is, as with dockerd. */
function defaultCgroupns(privileged: boolean, { cgroupV2, defaults }: HostFacts): string {
  if (privileged && !cgroupV2) return 'host';
  return defaults.cgroupnsMode ?? (cgroupV2 ? 'private' : 'host');
}

function withDefaultUlimits(own: Ulimit[], defaults: readonly Ulimit[]): Ulimit[] {
  return [...own, ...defaults.filter(({ Name }) => !own.some((limit) => limit.Name === Name))];
}

/** As Go has them: a client that reads them finds both fields. */
function completeBindings(given: HostConfig['PortBindings'] | undefined): HostConfig['PortBindings'] {
  const ports = Object.entries(given ?? {});
  return Object.fromEntries(
    ports.map(([port, bindings]) => [
      port,
      bindings?.map((binding) => ({ HostIp: binding?.HostIp ?? '', HostPort: binding?.HostPort ?? '' })) ??
        null,
    ]),
  );
}

/** Clients send null for what they do not set. */
export function dropNulls<T extends object>(given: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== null && value !== undefined),
  ) as Partial<T>;
}
