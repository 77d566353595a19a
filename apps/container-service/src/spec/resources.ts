import { statSync } from 'node:fs';
import { invalidArgument } from '@gantry/shared/errors';
import type { Resources, ThrottleDevice, Ulimit } from '../records/api-documents';
import { deviceNumbers } from './devices';
import type { OciResources, OciThrottle } from '@gantry/shared/oci';

const NANO_CPU_PERIOD_US = 100_000;

/** Limits of a container as the runtime sets them; what is 0 or null in the API is left to the kernel. */
export function ociResources(resources: Resources): OciResources {
  return {
    memory: memoryLimits(resources),
    cpu: cpuLimits(resources),
    // crun has no word for "no limit"; a new group has none.
    pids: resources.PidsLimit && resources.PidsLimit > 0 ? { limit: resources.PidsLimit } : undefined,
    blockIO: blockLimits(resources),
  };
}

function memoryLimits(resources: Resources): OciResources['memory'] {
  return defined({
    limit: resources.Memory || undefined,
    reservation: resources.MemoryReservation || undefined,
    swap: resources.MemorySwap || undefined,
    swappiness: resources.MemorySwappiness ?? undefined,
    disableOOMKiller: resources.OomKillDisable || undefined,
  });
}

/**
 * CFS quota and period in microseconds; `--cpus` (in billionths) is a quota in a period of 100 ms. One that rounds to nothing
 * limits nothing, as with dockerd.
 */
export function cpuLimits(resources: Resources): OciResources['cpu'] {
  const nano = resources.NanoCpus > 0;
  return defined({
    shares: resources.CpuShares || undefined,
    period: nano ? NANO_CPU_PERIOD_US : resources.CpuPeriod || undefined,
    quota: nano
      ? Math.floor((resources.NanoCpus * NANO_CPU_PERIOD_US) / 1e9) || undefined
      : resources.CpuQuota || undefined,
    realtimePeriod: resources.CpuRealtimePeriod || undefined,
    realtimeRuntime: resources.CpuRealtimeRuntime || undefined,
    cpus: resources.CpusetCpus || undefined,
    mems: resources.CpusetMems || undefined,
  });
}

function blockLimits(resources: Resources): OciResources['blockIO'] {
  return defined({
    weight: resources.BlkioWeight || undefined,
    weightDevice: resources.BlkioWeightDevice?.length
      ? resources.BlkioWeightDevice.map(({ Path, Weight }) => ({ ...blockDevice(Path), weight: Weight }))
      : undefined,
    throttleReadBpsDevice: throttles(resources.BlkioDeviceReadBps),
    throttleWriteBpsDevice: throttles(resources.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: throttles(resources.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: throttles(resources.BlkioDeviceWriteIOps),
  });
}

function throttles(devices: ThrottleDevice[] | null): OciThrottle[] | undefined {
  return devices?.length
    ? devices.map(({ Path, Rate }) => ({ ...blockDevice(Path), rate: Rate }))
    : undefined;
}

/** Its numbers. @throws InvalidArgument in Docker's words. */
export function blockDevice(path: string): { major: number; minor: number } {
  try {
    return deviceNumbers(statSync(path).rdev);
  } catch {
    throw invalidArgument(`stat ${path}: no such file or directory`);
  }
}

/** undefined where every value is, so that the specification has no empty sections. */
function defined<T extends object>(section: T): T | undefined {
  return Object.values(section).some((value) => value !== undefined) ? section : undefined;
}

const RLIMITS = new Set(
  'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(
    ' ',
  ),
);

/** RLIMIT_ entries. @throws InvalidArgument in Docker's words. */
export function rlimits(ulimits: Ulimit[] | null): { type: string; soft: number; hard: number }[] {
  return (ulimits ?? []).map(({ Name = '', Soft, Hard }) => {
    if (!RLIMITS.has(Name)) throw invalidArgument(`invalid ulimit type: ${Name}`);
    if (Hard >= 0 && Soft > Hard) {
      throw invalidArgument(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
    }
    return { type: `RLIMIT_${Name.toUpperCase()}`, soft: Soft, hard: Hard };
  });
}
