import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Proportional set size of the processes together, in MiB (proc(5), smaps_rollup). */
export function pssOf(pids: number[]): number {
  const kib = pids.map((pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
  });
  return kib.reduce((sum, each) => sum + each, 0) / 1024;
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
