import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout } from '@gantry/shared/linux';

/** What the control groups of this host can limit. */
export interface KernelLimits {
  memory: boolean;
  swap: boolean;
  memoryReservation: boolean;
  swappiness: boolean;
  oomKillDisable: boolean;
  pids: boolean;
  cpuShares: boolean;
  cpuCfs: boolean;
  cpuRealtime: boolean;
  cpuset: boolean;
  blkioWeight: boolean;
  blkioWeightDevice: boolean;
  blkioThrottle: boolean;
  /** As the kernel writes them: `0-3,7`. */
  cpus: string;
  memoryNodes: string;
}

/** Looked up in the control files, as dockerd does: a kernel has each of them by its configuration. */
export function kernelLimits(layout: CgroupLayout): KernelLimits {
  return layout.version === 'v2' ? unifiedLimits(layout) : legacyLimits(layout);
}

function legacyLimits({ mounts }: CgroupLayout): KernelLimits {
  const has = (controller: string, file: string): boolean => {
    const root = mounts[controller];
    return root !== undefined && existsSync(join(root, file));
  };
  const read = (file: string): string => (mounts['cpuset'] ? contents(join(mounts['cpuset'], file)) : '');
  return {
    memory: has('memory', 'memory.limit_in_bytes'),
    swap: has('memory', 'memory.memsw.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    swappiness: has('memory', 'memory.swappiness'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    pids: mounts['pids'] !== undefined,
    cpuShares: has('cpu', 'cpu.shares'),
    cpuCfs: has('cpu', 'cpu.cfs_quota_us'),
    cpuRealtime: has('cpu', 'cpu.rt_period_us'),
    cpuset: mounts['cpuset'] !== undefined,
    blkioWeight: has('blkio', 'blkio.weight'),
    blkioWeightDevice: has('blkio', 'blkio.weight_device'),
    blkioThrottle: has('blkio', 'blkio.throttle.read_bps_device'),
    cpus: read('cpuset.cpus'),
    memoryNodes: read('cpuset.mems'),
  };
}

function unifiedLimits({ controllers, mounts }: CgroupLayout): KernelLimits {
  const root = mounts['unified'] ?? '/sys/fs/cgroup';
  const has = (controller: string): boolean => controllers.includes(controller);
  // The root's files of iocost tell of io.weight before any group has the controller: systemd's have it on demand.
  const weighs = existsSync(join(root, 'io.cost.qos')) || anyGroupHas(root, 'io.weight');
  const bfq = anyGroupHas(root, 'io.bfq.weight');
  return {
    memory: has('memory'),
    swap: has('memory') && anyGroupHas(root, 'memory.swap.max'),
    memoryReservation: has('memory'),
    swappiness: false,
    oomKillDisable: false,
    pids: has('pids'),
    cpuShares: has('cpu'),
    cpuCfs: has('cpu'),
    cpuRealtime: false,
    cpuset: has('cpuset'),
    blkioWeight: has('io') && (weighs || bfq),
    // The runtimes have no other way: crun fails without it, runc does nothing.
    blkioWeightDevice: has('io') && bfq,
    blkioThrottle: has('io'),
    cpus: contents(join(root, 'cpuset.cpus.effective')),
    memoryNodes: contents(join(root, 'cpuset.mems.effective')),
  };
}

/** The root group of the unified hierarchy has no limits of its own. */
function anyGroupHas(root: string, file: string): boolean {
  return readdirSync(root, { withFileTypes: true }).some(
    (entry) => entry.isDirectory() && existsSync(join(root, entry.name, file)),
  );
}

function contents(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
}

/** The numbers of a list as the kernel and the API write it (`0-3,7`); undefined where it is none. */
export function numbersOfList(list: string): Set<number> | undefined {
  const numbers = new Set<number>();
  if (list === '') return numbers;
  for (const part of list.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    if (!match) return undefined;
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
    if (last < first) return undefined;
    for (let number = first; number <= last; number++) numbers.add(number);
  }
  return numbers;
}
