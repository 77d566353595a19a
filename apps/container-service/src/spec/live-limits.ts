import { type Cgroups, hasCode } from '@gantry/shared/linux';
import type { Resources } from '../records/api-documents';
import { blockDevice, cpuLimits } from './resources';

const DEFAULT_PERIOD_US = 100_000;

/** Fields, with what io.max and the blkio controller call them. */
const THROTTLES = [
  ['BlkioDeviceReadBps', 'rbps', 'read_bps_device'],
  ['BlkioDeviceWriteBps', 'wbps', 'write_bps_device'],
  ['BlkioDeviceReadIOps', 'riops', 'read_iops_device'],
  ['BlkioDeviceWriteIOps', 'wiops', 'write_iops_device'],
] as const;

/** Changes the limits of a container that runs, by its cgroup's files (kernel: cgroup-v1, cgroup-v2.rst). */
export class LiveLimits {
  constructor(private readonly cgroups: Cgroups) {}

  /** Writes what differs. @throws SystemError of the kernel's refusal */
  apply(cgroup: string, before: Resources, after: Resources): void {
    const v2 = this.cgroups.layout().version === 'v2';
    const write = (controller: string, file: string, value: number | string): void =>
      this.cgroups.write(cgroup, controller, file, String(value));
    if (after.Memory !== before.Memory || after.MemorySwap !== before.MemorySwap) {
      if (v2) this.memoryV2(write, after);
      else this.memoryV1(write, before, after);
    }
    if (after.MemoryReservation !== before.MemoryReservation) {
      write('memory', v2 ? 'memory.low' : 'memory.soft_limit_in_bytes', after.MemoryReservation);
    }
    this.cpu(write, v2, before, after);
    if (after.PidsLimit !== before.PidsLimit) {
      const limit = after.PidsLimit ?? -1;
      write('pids', 'pids.max', limit > 0 ? limit : 'max');
    }
    this.blockIo(write, v2, before, after);
  }

  /** Memory may never exceed memory and swap together, not for a moment: so when these shrink, memory goes first. */
  private memoryV1(write: Write, before: Resources, after: Resources): void {
    const memory = (): void => {
      if (after.Memory > 0) write('memory', 'memory.limit_in_bytes', after.Memory);
    };
    if (after.MemorySwap === before.MemorySwap || after.MemorySwap === 0) return memory();
    const swap = (): void => write('memory', 'memory.memsw.limit_in_bytes', after.MemorySwap);
    const shrinks = bytesOf(after.MemorySwap) < bytesOf(before.MemorySwap);
    for (const step of shrinks ? [memory, swap] : [swap, memory]) step();
  }

  private memoryV2(write: Write, after: Resources): void {
    if (after.MemorySwap > 0) write('memory', 'memory.swap.max', after.MemorySwap - after.Memory);
    else if (after.MemorySwap === -1) write('memory', 'memory.swap.max', 'max');
    if (after.Memory > 0) write('memory', 'memory.max', after.Memory);
  }

  private blockIo(write: Write, v2: boolean, before: Resources, after: Resources): void {
    if (after.BlkioWeight !== before.BlkioWeight) {
      if (v2) this.weightV2(write, after.BlkioWeight);
      else write('blkio', 'blkio.weight', after.BlkioWeight);
    }
    if (after.BlkioWeightDevice !== before.BlkioWeightDevice) {
      for (const { Path, Weight } of after.BlkioWeightDevice ?? []) {
        if (v2) write('io', 'io.bfq.weight', `${deviceId(Path)} ${Weight}`);
        else write('blkio', 'blkio.weight_device', `${deviceId(Path)} ${Weight}`);
      }
    }
    for (const [field, key, file] of THROTTLES) {
      if (after[field] === before[field]) continue;
      for (const { Path, Rate } of after[field] ?? []) {
        if (v2) write('io', 'io.max', `${deviceId(Path)} ${key}=${Rate}`);
        else write('blkio', `blkio.throttle.${file}`, `${deviceId(Path)} ${Rate}`);
      }
    }
  }

  /** As the runtime sets it at the start: bfq's own file has the API's 10 to 1000, io.weight has 1 to 10000. */
  private weightV2(write: Write, weight: number): void {
    try {
      write('io', 'io.bfq.weight', weight);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      write('io', 'io.weight', 1 + Math.floor(((weight - 10) * 9999) / 990));
    }
  }

  private cpu(write: Write, v2: boolean, before: Resources, after: Resources): void {
    const [old, next] = [cpuLimits(before), cpuLimits(after)];
    if (next?.shares !== undefined && next.shares !== old?.shares) {
      if (v2) write('cpu', 'cpu.weight', 1 + Math.floor(((next.shares - 2) * 9999) / 262142));
      else write('cpu', 'cpu.shares', next.shares);
    }
    if (next?.quota !== old?.quota || next?.period !== old?.period) {
      const period = next?.period ?? DEFAULT_PERIOD_US;
      if (v2) {
        write('cpu', 'cpu.max', `${next?.quota && next.quota > 0 ? next.quota : 'max'} ${period}`);
      } else {
        write('cpu', 'cpu.cfs_period_us', period);
        write('cpu', 'cpu.cfs_quota_us', next?.quota ?? -1);
      }
    }
    if (next?.realtimePeriod !== old?.realtimePeriod) {
      write('cpu', 'cpu.rt_period_us', next?.realtimePeriod ?? 0);
    }
    if (next?.realtimeRuntime !== old?.realtimeRuntime) {
      write('cpu', 'cpu.rt_runtime_us', next?.realtimeRuntime ?? 0);
    }
    if (next?.cpus !== undefined && next.cpus !== old?.cpus) write('cpuset', 'cpuset.cpus', next.cpus);
    if (next?.mems !== undefined && next.mems !== old?.mems) write('cpuset', 'cpuset.mems', next.mems);
  }
}

type Write = (controller: string, file: string, value: number | string) => void;

/** 0 and -1 are no limit. */
function bytesOf(limit: number): number {
  return limit > 0 ? limit : Infinity;
}

function deviceId(path: string): string {
  const { major, minor } = blockDevice(path);
  return `${major}:${minor}`;
}
