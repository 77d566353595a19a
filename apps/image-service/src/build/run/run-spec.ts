import {
  DEFAULT_CAPABILITIES,
  DEFAULT_DEVICE_RULES,
  MASKED_PATHS,
  type OciMount,
  type OciProcess,
  type OciResources,
  type OciSpec,
  READONLY_PATHS,
} from '@gantry/shared/oci';
import type { BuildLimits } from '@gantry/shared/queue';
import type { RunRuntime } from './run-runtime';

/** Bytes. */
const DEFAULT_SHM = 64 * 1024 * 1024;
const SPECIAL = ['nosuid', 'noexec', 'nodev'];

export interface RunFacts extends Pick<RunRuntime, 'seccomp' | 'appArmorProfile'> {
  root: string;
  hostname: string;
  cgroup: string;
  /** undefined: the host's. */
  netns?: string;
  process: Pick<OciProcess, 'args' | 'env' | 'cwd' | 'user'>;
  /** Beyond those that every process has. */
  mounts: OciMount[];
  limits: BuildLimits;
}

/** The OCI specification of one RUN: what a container has that says nothing, and no more. */
export function runSpec(facts: RunFacts): OciSpec {
  const capabilities = DEFAULT_CAPABILITIES;
  const sets = facts.process.user.uid === 0 ? { effective: capabilities, permitted: capabilities } : {};
  return {
    ociVersion: '1.0.2',
    process: {
      ...facts.process,
      terminal: false,
      capabilities: { bounding: capabilities, ...sets },
      rlimits: facts.limits.ulimits.map(({ Name, Soft, Hard }) => ({
        type: `RLIMIT_${Name.toUpperCase()}`,
        soft: Soft,
        hard: Hard,
      })),
      noNewPrivileges: false,
      oomScoreAdj: 0,
      apparmorProfile: facts.appArmorProfile,
    },
    root: { path: facts.root, readonly: false },
    hostname: facts.hostname,
    mounts: [...systemMounts(facts.limits), ...facts.mounts],
    annotations: facts.seccomp.annotations,
    linux: {
      namespaces: [
        { type: 'mount' },
        { type: 'uts' },
        { type: 'pid' },
        { type: 'ipc' },
        ...(facts.netns === undefined ? [] : [{ type: 'network' as const, path: facts.netns }]),
      ],
      cgroupsPath: facts.cgroup,
      resources: resourcesOf(facts.limits),
      sysctl:
        facts.netns === undefined
          ? undefined
          : { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' },
      seccomp: facts.seccomp.profile,
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
}

function systemMounts({ shmSize }: BuildLimits): OciMount[] {
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: SPECIAL },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...SPECIAL, 'ro'] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...SPECIAL, 'ro'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: SPECIAL },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...SPECIAL, 'mode=1777', `size=${shmSize || DEFAULT_SHM}`],
    },
  ];
}

function resourcesOf(limits: BuildLimits): OciResources {
  const memory = { limit: limits.memory || undefined, swap: limits.memorySwap || undefined };
  const cpu = {
    shares: limits.cpuShares || undefined,
    period: limits.cpuPeriod || undefined,
    quota: limits.cpuQuota || undefined,
    cpus: limits.cpusetCpus || undefined,
    mems: limits.cpusetMems || undefined,
  };
  return {
    devices: DEFAULT_DEVICE_RULES,
    ...(hasAny(memory) && { memory }),
    ...(hasAny(cpu) && { cpu }),
  };
}

const hasAny = (section: object): boolean => Object.values(section).some((value) => value !== undefined);
