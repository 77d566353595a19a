import type { BlkioEntry, CgroupStats } from './cgroups';

/** The control files of one group: `read` gives a file's text, undefined when there is none. */
export interface ControlFiles {
  v2: boolean;
  read(controller: string, file: string): string | undefined;
}

const NS_PER_USEC = 1_000;
/** cpuacct.stat counts in USER_HZ, which is 100 on every architecture Linux runs containers on. */
const NS_PER_TICK = 10_000_000;

export function readStats(files: ControlFiles): CgroupStats {
  return files.v2 ? readV2(files) : readV1(files);
}

/** memory.events on v2, memory.oom_control on v1 (kernel 4.13 and later). */
export function readOomKills(files: ControlFiles): number {
  return oomKillsIn(files.read('memory', files.v2 ? 'memory.events' : 'memory.oom_control'));
}

/** Of the text of one of these two. */
export function oomKillsIn(text: string | undefined): number {
  return readTable(text).oom_kill ?? 0;
}

function readV1(files: ControlFiles): CgroupStats {
  const number = (controller: string, file: string): number | undefined =>
    toNumber(files.read(controller, file));
  const ticks = readTable(files.read('cpuacct', 'cpuacct.stat'));
  const throttling = readTable(files.read('cpu', 'cpu.stat'));
  return {
    cpu: {
      usage: number('cpuacct', 'cpuacct.usage') ?? 0,
      user: number('cpuacct', 'cpuacct.usage_user') ?? (ticks.user ?? 0) * NS_PER_TICK,
      system: number('cpuacct', 'cpuacct.usage_sys') ?? (ticks.system ?? 0) * NS_PER_TICK,
      perCpu: files.read('cpuacct', 'cpuacct.usage_percpu')?.trim().split(/\s+/).map(Number),
      periods: throttling.nr_periods ?? 0,
      throttledPeriods: throttling.nr_throttled ?? 0,
      throttledTime: throttling.throttled_time ?? 0,
    },
    memory: {
      usage: number('memory', 'memory.usage_in_bytes') ?? 0,
      maxUsage: number('memory', 'memory.max_usage_in_bytes'),
      limit: limit(files.read('memory', 'memory.limit_in_bytes')),
      failures: number('memory', 'memory.failcnt'),
      stat: readTable(files.read('memory', 'memory.stat')),
    },
    pids: readPids(files),
    blkio: {
      ioServiceBytes: readBlkioV1(files.read('blkio', 'blkio.throttle.io_service_bytes_recursive')),
      ioServiced: readBlkioV1(files.read('blkio', 'blkio.throttle.io_serviced_recursive')),
    },
  };
}

function readV2(files: ControlFiles): CgroupStats {
  const cpu = readTable(files.read('unified', 'cpu.stat'));
  const io = readIoV2(files.read('io', 'io.stat'));
  return {
    cpu: {
      usage: (cpu.usage_usec ?? 0) * NS_PER_USEC,
      user: (cpu.user_usec ?? 0) * NS_PER_USEC,
      system: (cpu.system_usec ?? 0) * NS_PER_USEC,
      periods: cpu.nr_periods ?? 0,
      throttledPeriods: cpu.nr_throttled ?? 0,
      throttledTime: (cpu.throttled_usec ?? 0) * NS_PER_USEC,
    },
    memory: {
      usage: toNumber(files.read('memory', 'memory.current')) ?? 0,
      maxUsage: toNumber(files.read('memory', 'memory.peak')),
      limit: limit(files.read('memory', 'memory.max')),
      failures: readTable(files.read('memory', 'memory.events')).max,
      stat: readTable(files.read('memory', 'memory.stat')),
    },
    pids: readPids(files),
    blkio: { ioServiceBytes: io('rbytes', 'wbytes'), ioServiced: io('rios', 'wios') },
  };
}

function readPids(files: ControlFiles): CgroupStats['pids'] {
  return {
    current: toNumber(files.read('pids', 'pids.current')),
    limit: limit(files.read('pids', 'pids.max')),
  };
}

/** Lines of `key value`. */
function readTable(text: string | undefined): Partial<Record<string, number>> & Record<string, number> {
  const table: Record<string, number> = {};
  for (const line of text?.split('\n') ?? []) {
    const [key, value] = line.split(' ');
    if (key && value !== undefined) table[key] = Number(value);
  }
  return table;
}

/** Lines of `major:minor Operation value`, and a total without a device. */
function readBlkioV1(text: string | undefined): BlkioEntry[] {
  return [...(text ?? '').matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(
    ([, major, minor, op = '', value]) => ({
      major: Number(major),
      minor: Number(minor),
      op,
      value: Number(value),
    }),
  );
}

/** Lines of `major:minor rbytes=1 wbytes=2 rios=3 ...`. */
function readIoV2(text: string | undefined): (readKey: string, writeKey: string) => BlkioEntry[] {
  const devices = [...(text ?? '').matchAll(/^(\d+):(\d+) (.*)$/gm)].map(([, major, minor, rest = '']) => ({
    major: Number(major),
    minor: Number(minor),
    counters: Object.fromEntries(rest.split(' ').map((pair) => pair.split('='))) as Partial<
      Record<string, string>
    >,
  }));
  return (readKey, writeKey) =>
    devices.flatMap(({ major, minor, counters }) => [
      { major, minor, op: 'read', value: Number(counters[readKey] ?? 0) },
      { major, minor, op: 'write', value: Number(counters[writeKey] ?? 0) },
    ]);
}

function toNumber(text: string | undefined): number | undefined {
  return text === undefined || text === '' ? undefined : Number(text);
}

/** `max` on v2 and numbers next to 2^63 on v1 mean that there is no limit. */
function limit(text: string | undefined): number | undefined {
  const value = toNumber(text);
  return value === undefined || Number.isNaN(value) || value >= Number.MAX_SAFE_INTEGER ? undefined : value;
}
