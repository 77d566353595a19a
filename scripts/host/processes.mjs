// Processes known by pid and start time, so that a pid that was given out again is never signalled.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Field 22 of /proc/PID/stat (proc(5)): clock ticks after boot. Undefined when the process is gone or a zombie.
 * @param {number} pid
 * @returns {string | undefined}
 */
export function startTimeOf(pid) {
  let stat;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** @typedef {{pid: number, startTime: string}} ProcessIdentity */

/** @param {ProcessIdentity} process */
export const isAlive = ({ pid, startTime }) => startTimeOf(pid) === startTime;

/**
 * @param {string} directory
 * @param {string} name
 * @param {number} pid
 */
export function writePidFile(directory, name, pid) {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), `${pid} ${startTimeOf(pid) ?? 0}\n`);
}

/**
 * @param {string} directory
 * @param {string} name
 */
export function removePidFile(directory, name) {
  rmSync(join(directory, name), { force: true });
}

/**
 * The processes of a directory of pid files that are still running.
 * @param {string} directory
 * @returns {(ProcessIdentity & {name: string})[]}
 */
export function runningFromPidFiles(directory) {
  let names;
  try {
    names = readdirSync(directory);
  } catch {
    return [];
  }
  return names
    .map((name) => {
      const [pid, startTime] = readFileSync(join(directory, name), 'utf8').trim().split(' ');
      return { name, pid: Number(pid), startTime: startTime ?? '' };
    })
    .filter(isAlive);
}

/**
 * Signals a process and waits until it is gone; SIGKILL after `limit` milliseconds.
 * @param {ProcessIdentity} process
 * @param {NodeJS.Signals} signal
 * @param {number} limit
 */
export async function endProcess(process, signal, limit) {
  send(process, signal);
  const deadline = Date.now() + limit;
  let killed = signal === 'SIGKILL';
  while (isAlive(process)) {
    if (!killed && Date.now() > deadline) {
      send(process, 'SIGKILL');
      killed = true;
    }
    await sleep(10);
  }
}

function send(target, signal) {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/**
 * Every process of the host with its arguments.
 * @returns {{pid: number, args: string[]}[]}
 */
export function listProcesses() {
  const processes = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0').slice(0, -1);
      processes.push({ pid: Number(entry), args });
    } catch {
      // It ended while the list was read.
    }
  }
  return processes;
}
