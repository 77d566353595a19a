import { randomBytes } from 'node:crypto';
import type { Linux } from '@gantry/shared/linux';

type Processes = Pick<Linux, 'processes'>;

/** A new name for what this process is making: whoever finds it later can tell whether its maker lives. */
export function ownName({ processes }: Processes, prefix: string): string {
  const started = processes.startTime(process.pid) ?? 0;
  return `${prefix}${process.pid}-${started}-${randomBytes(8).toString('hex')}`;
}

/** What {@link ownName} says of a name's maker; a name that it did not make has nobody who works on it. */
export function makerOf({ processes }: Processes, name: string, prefix: string): 'self' | 'alive' | 'gone' {
  const [, pid, started] = /^(\d+)-(\d+)-[a-f0-9]+$/.exec(name.slice(prefix.length)) ?? [];
  if (pid === undefined || !processes.isAlive(Number(pid), Number(started))) return 'gone';
  return Number(pid) === process.pid ? 'self' : 'alive';
}
