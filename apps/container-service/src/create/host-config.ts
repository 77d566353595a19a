import { invalidArgument, notImplemented } from '@gantry/shared/errors';
import type { HostConfig, Resources } from '../records/api-documents';
import { containerCapabilities, MASKED_PATHS, READONLY_PATHS } from '@gantry/shared/oci';
import { parseDeviceRule } from '../spec/devices';
import { rlimits } from '../spec/resources';
import { parseSecurityOptions } from '../spec/security-options';
import { logCapOf } from '../logs/log-options';

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
const MIN_MEMORY_BYTES = 6 * 1024 * 1024;
const RESTART_POLICIES = ['no', 'always', 'unless-stopped', 'on-failure'];

/** What of the host decides about defaults. */
export interface HostFacts {
  cgroupV2: boolean;
  cpus: number;
  swapLimit: boolean;
  appArmor: boolean;
  defaultRuntime: string;
  runtimes: string[];
}

const UNSET: Resources = {
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
    ...UNSET,
    Binds: null,
    ContainerIDFile: '',
    PortBindings: {},
    AutoRemove: false,
    VolumeDriver: '',
    VolumesFrom: null,
    CapAdd: null,
    CapDrop: null,
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
    ConsoleSize: given.ConsoleSize ?? [0, 0],
    LogConfig: { Type: given.LogConfig?.Type || 'json-file', Config: given.LogConfig?.Config ?? {} },
    NetworkMode: !given.NetworkMode || given.NetworkMode === 'default' ? 'bridge' : given.NetworkMode,
    RestartPolicy: {
      Name: given.RestartPolicy?.Name || 'no',
      MaximumRetryCount: given.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    CgroupnsMode: given.CgroupnsMode || (facts.cgroupV2 && !given.Privileged ? 'private' : 'host'),
    IpcMode: given.IpcMode || 'private',
    ShmSize: given.ShmSize || DEFAULT_SHM_BYTES,
    Runtime: given.Runtime || facts.defaultRuntime,
    MaskedPaths: given.MaskedPaths ?? (given.Privileged ? null : MASKED_PATHS),
    ReadonlyPaths: given.ReadonlyPaths ?? (given.Privileged ? null : READONLY_PATHS),
  };
  checkResources(hostConfig, facts, warnings);
  checkModes(hostConfig, facts);
  checkRestartPolicy(hostConfig);
  checkRefused(hostConfig);
  containerCapabilities(hostConfig.CapAdd, hostConfig.CapDrop, hostConfig.Privileged);
  rlimits(hostConfig.Ulimits);
  hostConfig.DeviceCgroupRules?.forEach(parseDeviceRule);
  checkSecurity(hostConfig, facts, warnings);
  checkTmpfs(hostConfig);
  return { hostConfig, warnings };
}

/** Limits, for create and update alike. Fills in what follows from others (swap from memory). */
export function checkResources(resources: Resources, facts: HostFacts, warnings: string[]): void {
  const { Memory, MemoryReservation, MemorySwappiness } = resources;
  if (Memory !== 0 && Memory < MIN_MEMORY_BYTES) throw invalidArgument('Minimum memory limit allowed is 6MB');
  if (resources.MemorySwap !== 0 && !facts.swapLimit) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
    resources.MemorySwap = -1;
  }
  if (Memory > 0 && resources.MemorySwap > 0 && resources.MemorySwap < Memory) {
    throw invalidArgument('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (Memory === 0 && resources.MemorySwap > 0) {
    throw invalidArgument('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (Memory > 0 && resources.MemorySwap === 0 && facts.swapLimit) resources.MemorySwap = 2 * Memory;
  if (MemorySwappiness !== null && (MemorySwappiness < -1 || MemorySwappiness > 100)) {
    throw invalidArgument(`Invalid value: ${MemorySwappiness}, valid memory swappiness range is 0-100`);
  }
  if (MemorySwappiness === -1) resources.MemorySwappiness = null;
  if (MemoryReservation !== 0 && MemoryReservation < MIN_MEMORY_BYTES) {
    throw invalidArgument('Minimum memory reservation allowed is 6MB');
  }
  if (Memory > 0 && MemoryReservation > Memory) {
    throw invalidArgument('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (facts.cgroupV2 && resources.OomKillDisable) {
    warnings.push('OomKillDisable is discarded: it is not supported with cgroup v2.');
    resources.OomKillDisable = null;
  }
  checkCpu(resources, facts);
  if (resources.PidsLimit === 0) resources.PidsLimit = null;
  if (resources.BlkioWeight !== 0 && (resources.BlkioWeight < 10 || resources.BlkioWeight > 1000)) {
    throw invalidArgument('Range of blkio weight is from 10 to 1000');
  }
}

function checkCpu(resources: Resources, facts: HostFacts): void {
  const { NanoCpus, CpuPeriod, CpuQuota } = resources;
  if (NanoCpus > 0 && CpuPeriod > 0) {
    throw invalidArgument('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  }
  if (NanoCpus > 0 && CpuQuota > 0) {
    throw invalidArgument('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  }
  if (NanoCpus < 0 || NanoCpus > facts.cpus * 1e9) {
    throw invalidArgument(
      `Range of CPUs is from 0.01 to ${facts.cpus}.00, as there are only ${facts.cpus} CPUs available`,
    );
  }
  if (CpuPeriod !== 0 && (CpuPeriod < 1_000 || CpuPeriod > 1_000_000)) {
    throw invalidArgument(
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    );
  }
  if (CpuQuota > 0 && CpuQuota < 1_000)
    throw invalidArgument('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  checkCpuSet(resources.CpusetCpus, facts.cpus);
}

function checkCpuSet(set: string, cpus: number): void {
  if (set === '') return;
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(set)) {
    throw invalidArgument(`Invalid value ${set} for cpuset cpus`);
  }
  if (set.split(/[,-]/).some((cpu) => Number(cpu) >= cpus)) {
    throw invalidArgument(`Requested CPUs are not available - requested ${set}, available: 0-${cpus - 1}`);
  }
}

function checkModes(hostConfig: HostConfig, facts: HostFacts): void {
  const joins = (mode: string) => mode.startsWith('container:') && mode.length > 'container:'.length;
  if (!['none', 'private', 'shareable', 'host'].includes(hostConfig.IpcMode) && !joins(hostConfig.IpcMode)) {
    throw invalidArgument(`invalid IPC mode: ${hostConfig.IpcMode}`);
  }
  if (hostConfig.PidMode !== '' && hostConfig.PidMode !== 'host' && !joins(hostConfig.PidMode)) {
    throw invalidArgument(`invalid PID mode: ${hostConfig.PidMode}`);
  }
  if (!['', 'host'].includes(hostConfig.UTSMode)) {
    throw invalidArgument(`invalid UTS mode: ${hostConfig.UTSMode}`);
  }
  if (!['private', 'host'].includes(hostConfig.CgroupnsMode)) {
    throw invalidArgument(`invalid cgroup namespace mode: ${hostConfig.CgroupnsMode}`);
  }
  if (!['', 'host'].includes(hostConfig.UsernsMode)) {
    throw invalidArgument(`invalid userns mode: ${hostConfig.UsernsMode}`);
  }
  if (hostConfig.NetworkMode === 'container:') {
    throw invalidArgument('Invalid network mode: invalid container format container:<name|id>');
  }
  if (!facts.runtimes.includes(hostConfig.Runtime)) {
    throw invalidArgument(`unknown or invalid runtime name: ${hostConfig.Runtime}`);
  }
  if (hostConfig.ShmSize < 0) throw invalidArgument('SHM size can not be less than 0');
  if (hostConfig.OomScoreAdj < -1000 || hostConfig.OomScoreAdj > 1000) {
    throw invalidArgument(
      `Invalid value ${hostConfig.OomScoreAdj}, range for oom score adj is [-1000, 1000]`,
    );
  }
}

/** For create and update alike. */
export function checkRestartPolicy({
  RestartPolicy,
  AutoRemove,
}: Pick<HostConfig, 'RestartPolicy' | 'AutoRemove'>): void {
  const { Name, MaximumRetryCount } = RestartPolicy;
  if (!RESTART_POLICIES.includes(Name)) {
    throw invalidArgument(
      `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (Name !== 'on-failure' && MaximumRetryCount !== 0) {
    throw invalidArgument(
      "invalid restart policy: maximum retry count can only be used with 'on-failure'" +
        (MaximumRetryCount < 0 ? ' and cannot be negative' : ''),
    );
  }
  if (MaximumRetryCount < 0) {
    throw invalidArgument('invalid restart policy: maximum retry count cannot be negative');
  }
  if (AutoRemove && Name !== 'no') {
    throw invalidArgument("can't create 'AutoRemove' container with restart policy");
  }
}

/** What the API has and Gantry cannot do yet, or what no Linux daemon does. Never ignored. */
function checkRefused(hostConfig: HostConfig): void {
  if (!['', 'default'].includes(hostConfig.Isolation)) {
    throw invalidArgument(`invalid isolation '${hostConfig.Isolation}' on linux`);
  }
  if (hostConfig.DeviceRequests?.length) {
    const capabilities = (hostConfig.DeviceRequests[0] as { Capabilities?: string[][] }).Capabilities ?? [];
    throw invalidArgument(
      `could not select device driver "" with capabilities: [${capabilities.map((set) => `[${set.join(' ')}]`).join(' ')}]`,
    );
  }
  if (hostConfig.CpuRealtimePeriod || hostConfig.CpuRealtimeRuntime) {
    throw invalidArgument('Your kernel does not support CPU real-time scheduler');
  }
  if (Object.keys(hostConfig.StorageOpt ?? {}).length > 0) {
    throw invalidArgument("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
  }
  logCapOf(hostConfig.LogConfig);
  if (hostConfig.CgroupParent !== '') {
    throw notImplemented('--cgroup-parent is not supported yet');
  }
  if (
    hostConfig.CpuCount ||
    hostConfig.CpuPercent ||
    hostConfig.IOMaximumIOps ||
    hostConfig.IOMaximumBandwidth
  ) {
    throw invalidArgument('CPU count, CPU percent and maximum IO limits are only supported on Windows');
  }
}

function checkSecurity(hostConfig: HostConfig, facts: HostFacts, warnings: string[]): void {
  const security = parseSecurityOptions(hostConfig.SecurityOpt, hostConfig.Privileged);
  warnings.push(...security.warnings);
  if (security.apparmor === undefined || security.apparmor === 'unconfined') return;
  if (facts.appArmor) throw notImplemented('AppArmor profiles are not supported yet');
  warnings.push('AppArmor is not available on this host: profile ignored');
}

function checkTmpfs(hostConfig: HostConfig): void {
  for (const destination of Object.keys(hostConfig.Tmpfs ?? {})) {
    if (!destination.startsWith('/')) {
      throw invalidArgument(`invalid mount path: '${destination}' mount path must be absolute`);
    }
    if (destination === '/') throw invalidArgument("invalid specification: destination can't be '/'");
  }
}

/** Clients send null for what they do not set. */
function dropNulls<T extends object>(given: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== null && value !== undefined),
  ) as Partial<T>;
}
