import { EngineError } from '@gantry/shared/errors';
import type { JobWatch } from '@gantry/shared/queue';

/** How long a job goes on that nobody is seen to watch: its gateway may be starting again. Milliseconds. */
const UNWATCHED_MS = 5_000;

interface RunningJob {
  controller: AbortController;
  /** When it was first seen without watchers. */
  unwatchedSince?: number;
}

/** Why a signal fires: nobody wants the job any more; worded as dockerd words it. */
export class Canceled extends EngineError {
  constructor() {
    super('Internal', 'context canceled');
  }
}

/** Why a signal fires: this process stops, and another worker is to do the job. */
export class Stopping extends Error {}

/** The jobs that this process works on, each with the signal that ends it. */
export class RunningJobs {
  private readonly running = new Map<string, RunningJob>();

  constructor(private readonly watch: Pick<JobWatch, 'state' | 'cancel'>) {}

  /** @throws what `work` throws; Canceled and Stopping where that is why it ended */
  async use<T>(jobId: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    this.running.set(jobId, { controller });
    try {
      // It may have been cancelled while it waited.
      await this.look(jobId);
      controller.signal.throwIfAborted();
      return await work(controller.signal);
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      this.running.delete(jobId);
    }
  }

  has(jobId: string): boolean {
    return this.running.has(jobId);
  }

  ids(): string[] {
    return [...this.running.keys()];
  }

  cancel(jobId: string): void {
    this.running.get(jobId)?.controller.abort(new Canceled());
  }

  stopAll(): void {
    for (const { controller } of this.running.values()) controller.abort(new Stopping());
  }

  /** Whether the job is still wanted. A job whose watchers have all died is cancelled after a while. */
  async look(jobId: string): Promise<void> {
    const { watchers, canceled } = await this.watch.state(jobId);
    const job = this.running.get(jobId);
    if (!job) return;
    if (canceled) {
      this.cancel(jobId);
    } else if (watchers > 0) {
      job.unwatchedSince = undefined;
    } else {
      job.unwatchedSince ??= performance.now();
      if (performance.now() - job.unwatchedSince < UNWATCHED_MS) return;
      // For everybody: a client that asks now gets a job of its own.
      await this.watch.cancel(jobId);
      this.cancel(jobId);
    }
  }
}
