import type { Cgroups } from '@gantry/shared/linux';
import type { Resources } from '../records/api-documents';
import { cpuLimits } from './resources';

const DEFAULT_PERIOD_US = 100_000;

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
    if (after.BlkioWeight !== before.BlkioWeight) {
      write(v2 ? 'io' : 'blkio', v2 ? 'io.weight' : 'blkio.weight', after.BlkioWeight);
    }
  }

  /** memory may never exceed memory+swap in between, which has no limit where none was set. */
  private memoryV1(write: Write, before: Resources, after: Resources): void {
    const memory = () => after.Memory > 0 && write('memory', 'memory.limit_in_bytes', after.Memory);
    const swap = () =>
      after.MemorySwap !== 0 && write('memory', 'memory.memsw.limit_in_bytes', after.MemorySwap);
    const isLimited = before.MemorySwap > 0;
    const grows = isLimited && (after.MemorySwap === -1 || after.MemorySwap > before.MemorySwap);
    for (const step of grows ? [swap, memory] : [memory, swap]) step();
  }

  private memoryV2(write: Write, after: Resources): void {
    if (after.MemorySwap > 0) write('memory', 'memory.swap.max', after.MemorySwap - after.Memory);
    else if (after.MemorySwap === -1) write('memory', 'memory.swap.max', 'max');
    if (after.Memory > 0) write('memory', 'memory.max', after.Memory);
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
    if (next?.cpus !== undefined && next.cpus !== old?.cpus) write('cpuset', 'cpuset.cpus', next.cpus);
    if (next?.mems !== undefined && next.mems !== old?.mems) write('cpuset', 'cpuset.mems', next.mems);
  }
}

type Write = (controller: string, file: string, value: number | string) => void;
