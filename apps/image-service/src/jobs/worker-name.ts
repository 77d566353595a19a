import { readlinkSync } from 'node:fs';
import { bootId } from '@gantry/shared/faults';
import type { Linux } from '@gantry/shared/linux';

type Processes = Pick<Linux, 'processes'>;

/** The name that a worker takes jobs under: whoever reads it later on the same host can tell whether the process lives. */
export function workerName({ processes }: Processes): string {
  return `${place()}/${process.pid}/${processes.startTime(process.pid) ?? 0}`;
}

/** True only where it is certain: the same host, the same view of its processes, and the process is not among them. */
export function isDeadWorker({ processes }: Processes, name: string | undefined): boolean {
  const [boot, namespace, pid, started] = (name ?? '').split('/');
  if (boot === undefined || pid === undefined || started === undefined) return false;
  const [ownBoot, ownNamespace] = place().split('/');
  // The queue is one node's: a worker that ran before the last boot is gone.
  if (boot !== ownBoot) return true;
  return namespace === ownNamespace && !processes.isAlive(Number(pid), Number(started));
}

function place(): string {
  return `${bootId()}/${readlinkSync('/proc/self/ns/pid')}`;
}
