import { invalidArgument } from '@gantry/shared/errors';
import type { Resources } from '../records/api-documents';
import { numbersOfList, type KernelLimits } from './kernel-limits';

const MIN_MEMORY_BYTES = 6 * 1024 * 1024;

/** What decides about limits. */
export interface LimitFacts {
  cgroupV2: boolean;
  cpus: number;
  kernel: KernelLimits;
}

/**
 * Limits, for create and for update: what is wrong is refused, what the kernel cannot do is taken away again and said in
 * `warnings`, both in Docker's words. Fills in what follows from others (swap from memory).
 * @throws InvalidArgument
 */
export function checkResources(
  resources: Resources,
  facts: LimitFacts,
  warnings: string[],
  update = false,
): void {
  const check: Check = { resources, kernel: facts.kernel, warnings };
  checkMemory(check, update);
  checkOom(check);
  checkPids(check);
  checkCpu(check, facts.cpus);
  checkCpuset(check);
  checkBlockIo(check);
  checkForeign(check);
}

interface Check {
  resources: Resources;
  kernel: KernelLimits;
  warnings: string[];
}

function checkMemory({ resources, kernel, warnings }: Check, update: boolean): void {
  if (resources.MemorySwappiness === -1) resources.MemorySwappiness = null;
  if (resources.Memory !== 0 && resources.Memory < MIN_MEMORY_BYTES) {
    throw invalidArgument('Minimum memory limit allowed is 6MB');
  }
  if (resources.Memory > 0 && !kernel.memory) {
    warnings.push(discarded('memory limit capabilities or the cgroup is not mounted', 'Limitation'));
    resources.Memory = 0;
    resources.MemorySwap = -1;
  }
  if (resources.Memory > 0 && resources.MemorySwap !== -1 && !kernel.swap) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
    resources.MemorySwap = -1;
  }
  const { Memory, MemorySwap } = resources;
  if (Memory > 0 && MemorySwap > 0 && MemorySwap < Memory) {
    throw invalidArgument('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (Memory === 0 && MemorySwap > 0 && !update) {
    throw invalidArgument('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (Memory > 0 && MemorySwap === 0 && !update) resources.MemorySwap = 2 * Memory;
  checkSwappiness({ resources, kernel, warnings });
  checkReservation({ resources, kernel, warnings });
  if (resources.KernelMemory) {
    warnings.push(discarded('kernel memory limit capabilities or the cgroup is not mounted', 'Limitation'));
    resources.KernelMemory = undefined;
  }
  if (resources.KernelMemoryTCP) {
    warnings.push(
      discarded('kernel memory TCP limit capabilities or the cgroup is not mounted', 'Limitation'),
    );
    resources.KernelMemoryTCP = undefined;
  }
}

function checkSwappiness({ resources, kernel, warnings }: Check): void {
  if (resources.MemorySwappiness === null) return;
  if (!kernel.swappiness) {
    warnings.push(
      discarded('memory swappiness capabilities or the cgroup is not mounted', 'Memory swappiness'),
    );
    resources.MemorySwappiness = null;
    return;
  }
  if (resources.MemorySwappiness < 0 || resources.MemorySwappiness > 100) {
    throw invalidArgument(
      `Invalid value: ${resources.MemorySwappiness}, valid memory swappiness range is 0-100`,
    );
  }
}

function checkReservation({ resources, kernel, warnings }: Check): void {
  if (resources.MemoryReservation > 0 && !kernel.memoryReservation) {
    warnings.push(discarded('memory soft limit capabilities or the cgroup is not mounted', 'Limitation'));
    resources.MemoryReservation = 0;
  }
  const { Memory, MemoryReservation } = resources;
  if (MemoryReservation > 0 && MemoryReservation < MIN_MEMORY_BYTES) {
    throw invalidArgument('Minimum memory reservation allowed is 6MB');
  }
  if (Memory > 0 && MemoryReservation > Memory) {
    throw invalidArgument('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
}

function checkOom({ resources, kernel, warnings }: Check): void {
  if (resources.OomKillDisable && !kernel.oomKillDisable) {
    warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
  }
  if (!kernel.oomKillDisable) resources.OomKillDisable = null;
  if (resources.OomKillDisable && resources.Memory === 0) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
}

function checkPids({ resources, kernel, warnings }: Check): void {
  if (resources.PidsLimit === 0) resources.PidsLimit = null;
  if (resources.PidsLimit === null || kernel.pids) return;
  if (resources.PidsLimit > 0) {
    warnings.push(discarded('PIDs limit capabilities or the cgroup is not mounted', 'PIDs limit'));
  }
  resources.PidsLimit = null;
}

function checkCpu({ resources, kernel, warnings }: Check, cpus: number): void {
  const { NanoCpus, CpuPeriod, CpuQuota } = resources;
  if (NanoCpus > 0 && CpuPeriod > 0) {
    throw invalidArgument('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  }
  if (NanoCpus > 0 && CpuQuota > 0) {
    throw invalidArgument('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  }
  if (NanoCpus > 0 && !kernel.cpuCfs) {
    throw invalidArgument(
      'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
    );
  }
  if (NanoCpus < 0 || NanoCpus > cpus * 1e9) {
    throw invalidArgument(
      `range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`,
    );
  }
  if (resources.CpuShares < 0) {
    throw invalidArgument(`invalid CPU shares (${resources.CpuShares}): value must be a positive integer`);
  }
  if (resources.CpuShares > 0 && !kernel.cpuShares) {
    warnings.push(discarded('CPU shares or the cgroup is not mounted', 'Shares'));
    resources.CpuShares = 0;
  }
  if ((CpuPeriod !== 0 || CpuQuota !== 0) && !kernel.cpuCfs) {
    warnings.push(discarded('CPU CFS scheduler', 'CPU period/quota'));
    resources.CpuPeriod = 0;
    resources.CpuQuota = 0;
  }
  if (resources.CpuPeriod !== 0 && (CpuPeriod < 1_000 || CpuPeriod > 1_000_000)) {
    throw invalidArgument(
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    );
  }
  if (resources.CpuQuota > 0 && CpuQuota < 1_000) {
    throw invalidArgument('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  }
  checkRealtime({ resources, kernel, warnings });
}

function checkRealtime({ resources, kernel }: Check): void {
  const { CpuRealtimePeriod: period, CpuRealtimeRuntime: runtime } = resources;
  if ((period !== 0 || runtime !== 0) && !kernel.cpuRealtime) {
    throw invalidArgument('Your kernel does not support CPU real-time scheduler');
  }
  if (period !== 0 && runtime > period) {
    throw invalidArgument('cpu real-time runtime cannot be higher than cpu real-time period');
  }
}

function checkCpuset({ resources, kernel, warnings }: Check): void {
  if ((resources.CpusetCpus !== '' || resources.CpusetMems !== '') && !kernel.cpuset) {
    warnings.push(discarded('cpuset or the cgroup is not mounted', 'cpuset'));
    resources.CpusetCpus = '';
    resources.CpusetMems = '';
  }
  checkList(resources.CpusetCpus, kernel.cpus, 'cpuset cpus', 'CPUs');
  checkList(resources.CpusetMems, kernel.memoryNodes, 'cpuset mems', 'memory nodes');
}

function checkList(wanted: string, available: string, field: string, things: string): void {
  if (wanted === '') return;
  const numbers = numbersOfList(wanted);
  if (!numbers) throw invalidArgument(`Invalid value ${wanted} for ${field}: invalid format: ${wanted}`);
  const known = numbersOfList(available);
  if (known && [...numbers].some((number) => !known.has(number))) {
    throw invalidArgument(
      `Requested ${things} are not available - requested ${wanted}, available: ${available}`,
    );
  }
}

const THROTTLES = [
  ['BlkioDeviceReadBps', 'BPS Block I/O read limit', 'Block I/O BPS read limit'],
  ['BlkioDeviceWriteBps', 'BPS Block I/O write limit', 'Block I/O BPS write limit'],
  ['BlkioDeviceReadIOps', 'IOPS Block read limit', 'Block I/O IOPS read limit'],
  ['BlkioDeviceWriteIOps', 'IOPS Block write limit', 'Block I/O IOPS write limit'],
] as const;

function checkBlockIo({ resources, kernel, warnings }: Check): void {
  if (resources.BlkioWeight > 0 && !kernel.blkioWeight) {
    warnings.push(discarded('Block I/O weight or the cgroup is not mounted', 'Weight'));
    resources.BlkioWeight = 0;
  }
  if (resources.BlkioWeight !== 0 && (resources.BlkioWeight < 10 || resources.BlkioWeight > 1000)) {
    throw invalidArgument('Range of blkio weight is from 10 to 1000');
  }
  if (resources.BlkioWeightDevice?.length && !kernel.blkioWeightDevice) {
    warnings.push(discarded('Block I/O weight_device or the cgroup is not mounted', 'Weight-device'));
    resources.BlkioWeightDevice = [];
  }
  for (const [field, capability, what] of THROTTLES) {
    if (!resources[field]?.length || kernel.blkioThrottle) continue;
    warnings.push(discarded(`${capability} or the cgroup is not mounted`, what));
    resources[field] = [];
  }
}

/** Of Windows. */
function checkForeign({ resources, warnings }: Check): void {
  if (resources.CpuPercent > 0) {
    warnings.push('linux does not support CPU percent. Percent discarded.');
    resources.CpuPercent = 0;
  }
  if (resources.CpuCount > 0) {
    warnings.push('linux does not support CPU count. Count discarded.');
    resources.CpuCount = 0;
  }
  const qos = (what: string) =>
    invalidArgument(`Invalid QoS settings: linux does not support configuration of ${what}`);
  if (resources.IOMaximumBandwidth !== 0) throw qos('maximum bandwidth');
  if (resources.IOMaximumIOps !== 0) throw qos('maximum IOPs');
}

function discarded(capability: string, what: string): string {
  return `Your kernel does not support ${capability}. ${what} discarded.`;
}
