import { closeSync, existsSync, openSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SystemError, hasCode } from '../errno';
import { check, libc } from '../native';
import { newPipeHandle } from '../pipe-handle';
import { oomKillsIn } from './stats';

const eventfd = libc.declare('int eventfd(unsigned int initial, int flags)');
const EFD_CLOEXEC = 0o2000000;

/**
 * cgroup v1: an eventfd that the kernel writes to whenever the group runs out of memory, before it kills, and when the group is
 * removed.
 * @param directory of the group in the hierarchy of `memory`
 */
export function onOomV1(directory: string, told: () => void): () => void {
  const control = join(directory, 'memory.oom_control');
  const notices = check(eventfd(0, EFD_CLOEXEC), 'eventfd');
  const handle = newPipeHandle();
  const failed = handle.open(notices);
  if (failed < 0) {
    closeSync(notices);
    throw new SystemError(-failed, 'uv_pipe_open', 'eventfd');
  }
  let closed = false;
  const stop = (): void => {
    if (!closed) handle.close();
    closed = true;
  };
  try {
    const watched = openSync(control, 'r');
    try {
      writeFileSync(join(directory, 'cgroup.event_control'), `${notices} ${watched}`, { flag: 'r+' });
    } finally {
      closeSync(watched);
    }
  } catch (error) {
    stop();
    throw error;
  }
  handle.onread = (notice) => {
    if (closed) return;
    if (notice === undefined || !existsSync(control)) return stop();
    told();
  };
  handle.readStart();
  handle.unref();
  return stop;
}

/**
 * cgroup v2: `oom_kill` in memory.events, which inotify tells the changes of. Counts the groups below too.
 * @param directory of the group
 */
export function onOomV2(directory: string, told: () => void): () => void {
  const file = join(directory, 'memory.events');
  const read = (): number => oomKillsIn(textOf(file));
  const watcher = watch(file, { persistent: false }, () => {
    const now = read();
    if (now > kills) told();
    kills = Math.max(kills, now);
  });
  let kills = read();
  watcher.on('error', () => watcher.close());
  return () => watcher.close();
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return ''; // the group is gone
    throw error;
  }
}
