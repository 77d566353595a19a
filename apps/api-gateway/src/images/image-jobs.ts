import { randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { conflict, EngineError, internal, notFound } from '@gantry/shared/errors';
import { Peers } from '@gantry/shared/grpc';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { ImageJobName, ImageJobs } from '@gantry/shared/queue';
import type { Redis } from '@gantry/shared/redis';
import { ImageData } from './image-data';
import { JobAttendance } from './job-attendance';
import { type JobSummary, summaryOf } from './job-summary';

type Shared = typeof import('@gantry/shared/queue') & typeof import('@gantry/shared/redis');

interface Open {
  shared: Shared;
  queue: ReturnType<Shared['openQueue']>;
  redis: Redis;
  watch: InstanceType<Shared['JobWatch']>;
}

/** How often in a row Redis may refuse to note that a job is watched: half a minute of a full disk. */
const MAX_REFUSALS = 20;

/** How long image-service may take to say that it is there. Milliseconds. */
const HEALTH_MS = 5_000;

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
    @Inject(Peers) private readonly peers: Peers,
    @Inject(ImageData) private readonly data: ImageData,
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
    const id = await this.add(name, data, watcher, share).catch(async (error: unknown) => {
      await this.discardUploads(data);
      throw error;
    });
    yield* this.lines(id, watcher, signal);
  }

  /** The lines of a job that any gateway of the node has added, from its first. @throws NotFound; what the job failed with */
  async *follow(id: string, signal: AbortSignal): AsyncGenerator<unknown, void> {
    const { shared, queue, watch } = await this.open();
    if (!(await shared.inTime(queue.getJob(id)))) throw notFound(`No such job: ${id}`);
    const watcher = randomUUID();
    // Also one that has been cancelled has its last line.
    await shared.inTime(watch.join(id, watcher));
    yield* this.lines(id, watcher, signal);
  }

  /** Ends a job, whoever follows it. @throws NotFound; Conflict when it has ended */
  async cancel(id: string): Promise<void> {
    const { shared, queue, watch } = await this.open();
    const job = await shared.inTime(queue.getJob(id));
    if (!job) throw notFound(`No such job: ${id}`);
    if (ENDED.includes(await shared.inTime(job.getState()))) throw conflict(`job ${id} has already ended`);
    await shared.inTime(watch.cancel(id));
  }

  /** The newest jobs of the node, running ones first. */
  async list(): Promise<JobSummary[]> {
    const { shared, queue, redis, watch } = await this.open();
    const jobs = await shared.inTime(queue.getJobs([...LISTED], 0, 99));
    return Promise.all(
      // One that is removed meanwhile leaves a hole.
      jobs.filter(Boolean).map(async (job) => {
        const id = String(job.id);
        const [state, { watchers }, progress] = await shared.inTime(
          Promise.all([job.getState(), watch.state(id), shared.newestLine(redis, this.config, id)]),
        );
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
    const { shared, queue, watch } = await this.open();
    for (;;) {
      const id = `${name}-${randomBytes(6).toString('hex')}`;
      await shared.inTime(watch.join(id, watcher));
      const deduplication = share && { id: share.key };
      const adding = queue.add(name, data, { jobId: id, deduplication });
      const job = await shared.inTime(adding).catch((error: unknown) => {
        // Redis may take it yet, when it is back.
        this.unwatch(watch, id, watcher, false);
        throw error;
      });
      if (job.id === id) return id;
      await shared.inTime(watch.leave(id, watcher));
      const other = String(job.id);
      if (await shared.inTime(watch.join(other, watcher))) {
        await share?.onJoined();
        return other;
      }
      // It is being cancelled: not ours to share any more.
      await shared.inTime(queue.getJob(other).then((canceled) => canceled?.removeDeduplicationKey()));
    }
  }

  private async *lines(id: string, watcher: string, signal: AbortSignal): AsyncGenerator<unknown, void> {
    const { shared, queue, watch } = await this.open();
    const redis = shared.connectRedis(this.config.redisUrl, this.onRedisError);
    const attendance = new JobAttendance(
      async () => (await shared.inTime(redis.exists(queue.toKey(`${id}:lock`)))) === 1,
      () => this.peers.image.answers(HEALTH_MS),
    );
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
      const isOver = async () => {
        if (ENDED.includes(await shared.inTime(queue.getJobState(id)))) return true;
        await attendance.look();
        return false;
      };
      for await (const line of shared.followJob(redis, this.config, id, signal, isOver)) {
        attendance.heard();
        yield line;
      }
      sawEnd = !signal.aborted;
    } catch (error) {
      if (signal.aborted) return;
      if (refusal) throw internal(`the job cannot be followed: ${refusal.message}`, refusal);
      // Whether the job or what carries it is away.
      sawEnd = error instanceof EngineError && error.kind !== 'Unavailable';
      throw error;
    } finally {
      clearInterval(alive);
      signal.removeEventListener('abort', disconnect);
      disconnect();
      this.unwatch(watch, id, watcher, sawEnd);
    }
  }

  private async discardUploads(data: object): Promise<void> {
    const { shared } = await this.open();
    const discarded = shared.uploadsOf(data).map((id) => this.data.discard(id));
    for (const { status } of await Promise.allSettled(discarded)) {
      if (status === 'rejected') this.logger.warn('an upload that no job takes waits for the sweep');
    }
  }

  /** Nobody waits for it: Redis may be away. */
  private unwatch(watch: Open['watch'], id: string, watcher: string, sawEnd: boolean): void {
    if (sawEnd) watch.leave(id, watcher).catch(this.onRedisError);
    // A gateway that stops has not been left by its clients: they have some seconds to come back through another.
    else if (!this.stopping) watch.abandon(id, watcher).catch(this.onRedisError);
  }

  private open(): Promise<Open> {
    this.opened ??= Promise.all([import('@gantry/shared/queue'), import('@gantry/shared/redis')]).then(
      ([ofQueue, ofRedis]) => {
        const shared = { ...ofQueue, ...ofRedis };
        const queue = shared.openQueue(this.config, shared.IMAGE_QUEUE);
        queue.on('error', this.onRedisError);
        const redis = shared.connectRedis(this.config.redisUrl, this.onRedisError);
        return { shared, queue, redis, watch: new shared.JobWatch(redis, this.config) };
      },
    );
    return this.opened;
  }

  private readonly onRedisError = (error: Error): void => {
    this.logger.warn({ err: error.message }, 'redis is away');
  };
}
