import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** USER_HZ, the same on every architecture that Linux still runs on in servers. */
const TICKS_A_SECOND = 100;

/** Proportional set size of the processes together, in MiB (proc(5), smaps_rollup). */
export function pssOf(pids: number[]): number {
  const kib = pids.map((pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  });
  return kib.reduce((sum, each) => sum + each, 0) / 1024;
}

/** Seconds of CPU that the processes, and those of their children that have ended, have taken (proc(5), stat). */
export function cpuSecondsOf(pids: number[]): number {
  const ticks = pids.map((pid) => {
    const stat = readIfPresent(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / TICKS_A_SECOND;
}

/** The processes that name one of the containers in their command line: conmon and containerd's shims do. */
export function monitorsOf(ids: string[]): number[] {
  const wanted = new Set(ids);
  return allProcesses().filter((pid) =>
    readIfPresent(`/proc/${pid}/cmdline`)
      .split('\0')
      .some((argument) => wanted.has(argument)),
  );
}

/** The process that listens on a unix socket, in whatever network namespace it lives. */
export function processBehind(socketPath: string): number | undefined {
  const namespaces = new Map(allProcesses().map((pid) => [namespaceOf(pid), pid]));
  for (const pid of namespaces.values()) {
    const inode = readIfPresent(`/proc/${pid}/net/unix`)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .find((fields) => fields[7] === socketPath && fields[5] === '01')?.[6];
    if (inode !== undefined) return allProcesses().find((each) => holds(each, `socket:[${inode}]`));
  }
  return undefined;
}

/** The process that listens on a unix socket and all its descendants (dockerd with its containerd). */
export function processesBehind(socketPath: string): number[] {
  const owner = processBehind(socketPath);
  if (owner === undefined) return [];
  const all = allProcesses();
  const parents = new Map(all.map((pid) => [pid, parentOf(pid)]));
  const isBelow = (pid: number): boolean => pid === owner || (pid > 1 && isBelow(parents.get(pid) ?? 0));
  return all.filter(isBelow);
}

function namespaceOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return '';
  }
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function allProcesses(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number);
}

function holds(pid: number, target: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === target;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

function parentOf(pid: number): number {
  try {
    return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
