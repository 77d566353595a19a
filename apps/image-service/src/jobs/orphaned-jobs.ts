import { randomUUID } from 'node:crypto';
import type { Linux } from '@gantry/shared/linux';
import type { openQueue } from '@gantry/shared/queue';
import type { Redis } from '@gantry/shared/redis';
import { isDeadWorker } from './worker-name';

type Queue = ReturnType<typeof openQueue>;

/** Milliseconds that it takes to put a job back, at the very most. */
const LOCK_MS = 10_000;

/**
 * Puts jobs whose worker is known to be dead back into the queue, at once, for whoever is free. BullMQ knows only that a lock
 * was not renewed, which takes its time.
 */
export async function releaseOrphanedJobs(
  queue: Queue,
  redis: Redis,
  linux: Pick<Linux, 'processes'>,
): Promise<void> {
  for (const job of await queue.getActive()) {
    if (!job.id || !isDeadWorker(linux, job.processedBy)) continue;
    const lock = queue.toKey(`${job.id}:lock`);
    // The dead worker's, or ours where that has run out. Another that does the same, or has the job by now, has another.
    const ours = randomUUID();
    const taken = await redis.set(lock, ours, 'PX', LOCK_MS, 'NX');
    const token = taken ? ours : await redis.get(lock);
    if (token !== null) await job.moveToWait(token).catch(() => {});
  }
}
