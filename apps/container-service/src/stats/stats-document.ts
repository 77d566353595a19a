import type { CgroupStats } from '@gantry/shared/linux';
import { NEVER } from '../records/container-record';

/** What was counted of one container at one moment. */
export interface Sample {
  /** RFC 3339 with nanoseconds. */
  time: string;
  cgroup: CgroupStats;
  host: HostCpu;
  /** By interface; undefined where the container has the host's network. */
  networks?: Record<string, InterfaceCounters>;
}

export interface HostCpu {
  /** Nanoseconds that all processors together spent in anything, idling included. */
  total: number;
  online: number;
}

/** API: ContainerNetworkStats. */
export interface InterfaceCounters {
  rx_bytes: number;
  rx_packets: number;
  rx_errors: number;
  rx_dropped: number;
  tx_bytes: number;
  tx_packets: number;
  tx_errors: number;
  tx_dropped: number;
}

/** USER_HZ, which is 100 wherever Linux runs Node. */
const TICK_NANOS = 10_000_000;
const NO_CPU = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

/** The first seven columns of /proc/stat's `cpu` line (proc(5)) are what dockerd adds up. */
export function parseHostCpu(procStat: string): HostCpu {
  const columns = (/^cpu +(.*)$/m.exec(procStat)?.[1] ?? '').split(' ').slice(0, 7).map(Number);
  return {
    total: columns.reduce((sum, ticks) => sum + ticks, 0) * TICK_NANOS,
    online: procStat.match(/^cpu\d+ /gm)?.length ?? 0,
  };
}

/** /proc/<pid>/net/dev (proc(5)) without the loopback. */
export function parseInterfaces(netDev: string): Record<string, InterfaceCounters> {
  const interfaces: Record<string, InterfaceCounters> = {};
  for (const line of netDev.split('\n').slice(2)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).trim();
    if (colon < 0 || name === 'lo') continue;
    const counters = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    const counter = (index: number): number => counters[index] ?? 0;
    interfaces[name] = {
      rx_bytes: counter(0),
      rx_packets: counter(1),
      rx_errors: counter(2),
      rx_dropped: counter(3),
      tx_bytes: counter(8),
      tx_packets: counter(9),
      tx_errors: counter(10),
      tx_dropped: counter(11),
    };
  }
  return interfaces;
}

/** API: ContainerStatsResponse. Without a sample, of a container that does not run. `memoryTotal`: the host's, in bytes. */
export function statsDocument(
  container: { id: string; name: string },
  facts: { v2: boolean; memoryTotal: number },
  sample?: Sample,
  before?: Sample,
): object {
  const identity = { name: `/${container.name}`, id: container.id };
  if (!sample) {
    return {
      ...identity,
      ...{ read: NEVER, preread: NEVER, pids_stats: {}, blkio_stats: emptyBlkio(), num_procs: 0 },
      ...{ storage_stats: {}, cpu_stats: NO_CPU, precpu_stats: NO_CPU, memory_stats: {} },
    };
  }
  const { memory, pids, blkio } = sample.cgroup;
  return {
    ...identity,
    read: sample.time,
    preread: before?.time ?? NEVER,
    pids_stats: { current: pids.current, limit: pids.limit },
    blkio_stats: {
      ...emptyBlkio(),
      io_service_bytes_recursive: blkio.ioServiceBytes,
      io_serviced_recursive: facts.v2 ? null : blkio.ioServiced,
    },
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuDocument(sample),
    precpu_stats: before ? cpuDocument(before) : NO_CPU,
    memory_stats: {
      usage: memory.usage,
      ...(facts.v2 ? {} : { max_usage: memory.maxUsage, failcnt: memory.failures }),
      stats: memory.stat,
      limit: Math.min(memory.limit ?? Infinity, facts.memoryTotal),
    },
    networks: sample.networks,
  };
}

function cpuDocument({ cgroup: { cpu }, host }: Sample): object {
  return {
    cpu_usage: {
      total_usage: cpu.usage,
      percpu_usage: cpu.perCpu,
      usage_in_kernelmode: cpu.system,
      usage_in_usermode: cpu.user,
    },
    system_cpu_usage: host.total,
    online_cpus: host.online,
    throttling_data: {
      periods: cpu.periods,
      throttled_periods: cpu.throttledPeriods,
      throttled_time: cpu.throttledTime,
    },
  };
}

const emptyBlkio = () => ({
  io_service_bytes_recursive: null,
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
});
