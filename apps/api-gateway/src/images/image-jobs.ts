import { randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { conflict, EngineError, internal, notFound } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { ImageJobName, ImageJobs } from '@gantry/shared/queue';
import type { Redis } from '@gantry/shared/redis';
import { type JobSummary, summaryOf } from './job-summary';

type Shared = typeof import('@gantry/shared/queue');

interface Open {
  shared: Shared;
  queue: ReturnType<Shared['openQueue']>;
  redis: Redis;
  watch: InstanceType<Shared['JobWatch']>;
}

/** How often in a row Redis may refuse to note that a job is watched: half a minute of a full disk. */
const MAX_REFUSALS = 20;

/** The jobs that `GET /gantry/jobs` shows. */
const LISTED = ['active', 'waiting', 'delayed', 'failed', 'completed'] as const;
const ENDED = ['completed', 'failed', 'unknown'];

/** The queue of long operations on images. BullMQ is loaded for the first job, not before. */
@Injectable()
export class ImageJobQueue implements OnModuleDestroy, OnApplicationShutdown {
  private opened?: Promise<Open>;
  private stopping = false;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Adds a job and follows it to its end: its lines as they come. Who stops reading cancels the job unless others follow it.
   * `share.key`: who asks for the same while the job is under way follows that one; `share.onJoined` hears of it, for the
   * uploads of `data` are nobody's then.
   * @throws EngineError that the job failed with
   */
  async *run<N extends ImageJobName>(
    name: N,
    data: ImageJobs[N],
    signal: AbortSignal,
    share?: { key: string; onJoined: () => Promise<void> },
  ): AsyncGenerator<unknown, void> {
    const watcher = randomUUID();
    const id = await this.add(name, data, watcher, share);
    yield* this.lines(id, watcher, signal);
  }

  /** The lines of a job that any gateway of the node has added, from its first. @throws NotFound; what the job failed with */
  async *follow(id: string, signal: AbortSignal): AsyncGenerator<unknown, void> {
    const { queue, watch } = await this.open();
    if (!(await queue.getJob(id))) throw notFound(`No such job: ${id}`);
    const watcher = randomUUID();
    // Also one that has been cancelled has its last line.
    await watch.join(id, watcher);
    yield* this.lines(id, watcher, signal);
  }

  /** Ends a job, whoever follows it. @throws NotFound; Conflict when it has ended */
  async cancel(id: string): Promise<void> {
    const { queue, watch } = await this.open();
    const job = await queue.getJob(id);
    if (!job) throw notFound(`No such job: ${id}`);
    if (ENDED.includes(await job.getState())) throw conflict(`job ${id} has already ended`);
    await watch.cancel(id);
  }

  /** The newest jobs of the node, running ones first. */
  async list(): Promise<JobSummary[]> {
    const { shared, queue, redis, watch } = await this.open();
    const jobs = await queue.getJobs([...LISTED], 0, 99);
    return Promise.all(
      // One that is removed meanwhile leaves a hole.
      jobs.filter(Boolean).map(async (job) => {
        const id = String(job.id);
        const [state, { watchers }, progress] = await Promise.all([
          job.getState(),
          watch.state(id),
          shared.newestLine(redis, this.config, id),
        ]);
        return summaryOf(job, { state, watchers, progress });
      }),
    );
  }

  onModuleDestroy(): void {
    this.stopping = true;
  }

  async onApplicationShutdown(): Promise<void> {
    const open = await this.opened;
    open?.redis.disconnect();
    await open?.queue.close();
  }

  /** The id of the job that does it, with the watcher among those who follow it. */
  private async add<N extends ImageJobName>(
    name: N,
    data: ImageJobs[N],
    watcher: string,
    share?: { key: string; onJoined: () => Promise<void> },
  ): Promise<string> {
    const { queue, watch } = await this.open();
    for (;;) {
      const id = `${name}-${randomBytes(6).toString('hex')}`;
      await watch.join(id, watcher);
      const deduplication = share && { id: share.key };
      const job = await queue.add(name, data, { jobId: id, deduplication });
      if (job.id === id) return id;
      await watch.leave(id, watcher);
      const shared = String(job.id);
      if (await watch.join(shared, watcher)) {
        await share?.onJoined();
        return shared;
      }
      // It is being cancelled: not ours to share any more.
      await (await queue.getJob(shared))?.removeDeduplicationKey();
    }
  }

  private async *lines(id: string, watcher: string, signal: AbortSignal): AsyncGenerator<unknown, void> {
    const { shared, queue, watch } = await this.open();
    const { connectRedis } = await import('@gantry/shared/redis');
    const redis = connectRedis(this.config.redisUrl, this.onRedisError);
    const disconnect = () => redis.disconnect();
    signal.addEventListener('abort', disconnect, { once: true });
    let refusals = 0;
    let refusal: Error | undefined;
    const alive = setInterval(() => {
      watch.join(id, watcher).then(
        () => (refusals = 0),
        (error: Error) => {
          this.onRedisError(error);
          if (++refusals < MAX_REFUSALS) return;
          refusal = error;
          disconnect();
        },
      );
    }, shared.WATCH_REFRESH_MS);
    let sawEnd = false;
    try {
      const isOver = async () => ENDED.includes(await queue.getJobState(id));
      yield* shared.followJob(redis, this.config, id, signal, isOver);
      sawEnd = !signal.aborted;
    } catch (error) {
      if (signal.aborted) return;
      if (refusal) throw internal(`the job cannot be followed: ${refusal.message}`, refusal);
      sawEnd = error instanceof EngineError;
      throw error;
    } finally {
      clearInterval(alive);
      signal.removeEventListener('abort', disconnect);
      disconnect();
      await this.unwatch(watch, id, watcher, sawEnd).catch(this.onRedisError);
    }
  }

  private async unwatch(watch: Open['watch'], id: string, watcher: string, sawEnd: boolean): Promise<void> {
    if (sawEnd) await watch.leave(id, watcher);
    // A gateway that stops has not been left by its clients: they have some seconds to come back through another.
    else if (!this.stopping) await watch.abandon(id, watcher);
  }

  private open(): Promise<Open> {
    this.opened ??= Promise.all([import('@gantry/shared/queue'), import('@gantry/shared/redis')]).then(
      ([shared, { connectRedis }]) => {
        const queue = shared.openQueue(this.config, shared.IMAGE_QUEUE);
        queue.on('error', this.onRedisError);
        const redis = connectRedis(this.config.redisUrl, this.onRedisError);
        return { shared, queue, redis, watch: new shared.JobWatch(redis, this.config) };
      },
    );
    return this.opened;
  }

  private readonly onRedisError = (error: Error): void => {
    this.logger.warn({ err: error.message }, 'redis is away');
  };
}
