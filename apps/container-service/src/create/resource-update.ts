import { conflict } from '@gantry/shared/errors';
import type { HostConfig, Resources } from '../records/api-documents';
import type { ContainerRecord } from '../records/container-record';
import { dropNulls, UNSET_RESOURCES } from './host-config';

/** What `update` can change, and leaves as it is where it is 0 or empty. */
const CHANGEABLE = [
  'CpuShares',
  'Memory',
  'NanoCpus',
  'BlkioWeight',
  'BlkioWeightDevice',
  'BlkioDeviceReadBps',
  'BlkioDeviceWriteBps',
  'BlkioDeviceReadIOps',
  'BlkioDeviceWriteIOps',
  'CpuPeriod',
  'CpuQuota',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'CpusetCpus',
  'CpusetMems',
  'MemoryReservation',
  'MemorySwap',
] as const;

/** The body of an update, complete. */
export function askedResources(given: Partial<Resources>): Resources {
  return { ...UNSET_RESOURCES, ...dropNulls(given) };
}

/**
 * The HostConfig with what was asked for. `pidsLimit`: as given, for 0 and -1 mean no limit.
 * @throws Conflict in Docker's words.
 */
export function withResources(
  { id, hostConfig: current }: ContainerRecord,
  asked: Resources,
  pidsLimit: number | null | undefined,
): HostConfig {
  const conflicts = (why: string) => conflict(`Cannot update container ${id}: ${why}`);
  for (const [field, name] of [
    ['CpuPeriod', 'CPU Period'],
    ['CpuQuota', 'CPU Quota'],
  ] as const) {
    if (asked.NanoCpus > 0 && current[field] > 0) {
      throw conflicts(`Conflicting options: Nano CPUs cannot be updated as ${name} has already been set`);
    }
    if (asked[field] > 0 && current.NanoCpus > 0) {
      throw conflicts(`Conflicting options: ${name} cannot be updated as NanoCPUs has already been set`);
    }
  }
  if (current.MemorySwap > 0 && asked.Memory > current.MemorySwap && asked.MemorySwap === 0) {
    throw conflicts(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  const changed = CHANGEABLE.filter((name) => {
    const value = asked[name];
    return Array.isArray(value) ? value.length > 0 : Boolean(value);
  });
  const next = { ...current, ...Object.fromEntries(changed.map((name) => [name, asked[name]])) };
  // No limit is told as 0 from here on, not as none: so does dockerd.
  return typeof pidsLimit === 'number' ? { ...next, PidsLimit: Math.max(asked.PidsLimit ?? 0, 0) } : next;
}
