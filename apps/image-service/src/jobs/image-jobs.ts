import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { EngineError, internal } from '@gantry/shared/errors';
import { LINUX, type Linux } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import {
  cancelChannel,
  IMAGE_QUEUE,
  type ImageJobName,
  type ImageJobs,
  JobProgress,
  JobWatch,
  openQueue,
  openWorker,
  WaitingError,
} from '@gantry/shared/queue';
import { connectRedis, type Redis } from '@gantry/shared/redis';
import {
  IMAGE_JOB_HANDLERS,
  type ImageJobHandler,
  type ImageJobHandlers,
  type JobContext,
} from './image-job';
import { JobUploads } from './job-uploads';
import { releaseOrphanedJobs } from './orphaned-jobs';
import { Canceled, RunningJobs, Stopping } from './running-jobs';
import { workerName } from './worker-name';

type Worker = ReturnType<typeof openWorker>;
type Queue = ReturnType<typeof openQueue>;
type Job = Parameters<Parameters<typeof openWorker>[3]>[0];

interface Open {
  worker: Worker;
  queue: Queue;
  redis: Redis;
  channel: Redis;
  running: RunningJobs;
}

/** Most of a job is waiting for a registry; what takes the processor has limits of its own. */
const CONCURRENCY = 8;
/** How often it is looked whether jobs are still wanted, and whether their workers live. Milliseconds. */
const LOOK_MS = 1_000;
/** How long jobs may take to stop with the process. Milliseconds. */
const STOP_MS = 4_000;

/** Runs the jobs of the node's image queue, beside every other image-service of the node. */
@Injectable()
export class ImageJobWorker implements OnApplicationBootstrap, OnApplicationShutdown {
  private open?: Open;
  private timer?: NodeJS.Timeout;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(IMAGE_JOB_HANDLERS) private readonly handlers: ImageJobHandlers,
    @Inject(JobUploads) private readonly uploads: JobUploads,
    @Inject(LINUX) private readonly linux: Pick<Linux, 'processes'>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const redis = connectRedis(this.config.redisUrl, this.away);
    const running = new RunningJobs(new JobWatch(redis, this.config));
    const queue = openQueue(this.config, IMAGE_QUEUE);
    queue.on('error', this.away);
    const options = { concurrency: CONCURRENCY, workerName: workerName(this.linux) };
    const worker = openWorker(this.config, IMAGE_QUEUE, options, (job, token) =>
      this.run(job, token, { redis, running }),
    );
    worker.on('error', this.away);
    // Jobs that BullMQ gives up: nobody else tells those who follow.
    worker.on('failed', (job, error) => {
      if (job?.finishedOn) this.end(job, error, redis).catch(this.away);
    });
    this.open = { redis, running, queue, worker, channel: this.listen(queue, redis, running) };
    this.lookAround(this.open).catch(this.away);
  }

  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.timer);
    if (!this.open) return;
    const { redis, running, queue, worker, channel } = this.open;
    channel.disconnect();
    const closed = worker.close();
    // What does not stop in time is taken up by another worker when this process is gone.
    running.stopAll();
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, STOP_MS).unref())]);
    await queue.disconnect();
    redis.disconnect();
  }

  /**
   * What the user did wrong ends the job at once. Anything else is tried again, by whichever worker is free, and ends the
   * job with the last attempt.
   */
  private async run(
    job: Job,
    token: string,
    { redis, running }: Pick<Open, 'redis' | 'running'>,
  ): Promise<unknown> {
    const id = job.id ?? '';
    const progress = new JobProgress(redis, this.config, id);
    const onLine = (line: unknown) => progress.line(line);
    const onLines = (lines: readonly unknown[]) => progress.lines(lines);
    try {
      const result = await running.use(id, (signal) =>
        this.perform(job, {
          id,
          created: new Date(job.timestamp),
          isAgain: job.attemptsStarted > 1,
          signal,
          onLine,
          onLines,
        }),
      );
      await job.removeDeduplicationKey();
      await progress.done(result);
      await this.uploads.drop(job.data as object);
      return result;
    } catch (error) {
      if (error instanceof Stopping) {
        await job.moveToWait(token);
        throw new WaitingError();
      }
      const isFinal = error instanceof Canceled || isAnswer(job, error);
      if (!isFinal && job.attemptsMade + 1 < (job.opts.attempts ?? 1)) throw error;
      if (!isFinal) this.logger.error({ err: error, job: id }, 'job failed');
      await this.end(job, error, redis);
      return { failed: true };
    }
  }

  private async perform(job: Job, context: JobContext): Promise<unknown> {
    const handler = this.handlers[job.name as ImageJobName] as ImageJobHandler<ImageJobName> | undefined;
    if (!handler) throw internal(`no such job: ${job.name}`);
    return handler(job.data as ImageJobs[ImageJobName], context);
  }

  private async end(job: Job, error: unknown, redis: Redis): Promise<void> {
    // Whoever asks for the same from here on gets a job of its own.
    await job.removeDeduplicationKey();
    await new JobProgress(redis, this.config, job.id ?? '').failed(error);
    await this.uploads.drop(job.data as object);
  }

  /** Cancels what is told on the channel of the node: the job that runs here, or one that nobody has begun. */
  private listen(queue: Queue, redis: Redis, running: RunningJobs): Redis {
    const channel = connectRedis(this.config.redisUrl, this.away);
    channel.on('message', (_channel: string, jobId: string) => {
      if (running.has(jobId)) running.cancel(jobId);
      else this.cancelWaiting(jobId, queue, redis).catch(this.away);
    });
    channel.subscribe(cancelChannel(this.config)).catch(this.away);
    return channel;
  }

  private async cancelWaiting(jobId: string, queue: Queue, redis: Redis): Promise<void> {
    const job = await queue.getJob(jobId);
    if (!job || !['waiting', 'delayed'].includes(await job.getState())) return;
    // Refused when a worker has begun it meanwhile, which then sees that it is cancelled.
    await job.remove().then(
      () => this.end(job, new Canceled(), redis),
      () => {},
    );
  }

  private async lookAround(open: Open): Promise<void> {
    try {
      await releaseOrphanedJobs(open.queue, open.redis, this.linux);
      for (const id of open.running.ids()) await open.running.look(id);
    } finally {
      this.timer = setTimeout(() => void this.lookAround(open).catch(this.away), LOOK_MS);
      this.timer.unref();
    }
  }

  private readonly away = (error: Error): void => {
    this.logger.warn({ err: error.message }, 'redis is away');
  };
}

/**
 * Whether another attempt would end the same way. Pulls and pushes have tried again by themselves; a build is tried again only
 * where its worker died, for its commands may have done anything.
 */
function isAnswer(job: Job, error: unknown): boolean {
  if (job.name === 'build') return true;
  if (!(error instanceof EngineError) || error.kind === 'Internal') return false;
  if (job.name === 'pull' || job.name === 'push') return true;
  return error.kind !== 'Unavailable' && error.kind !== 'Unreachable';
}
