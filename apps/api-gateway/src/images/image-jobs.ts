import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { notFound } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { ImageJobName, ImageJobs } from '@gantry/shared/queue';

type Queue = ReturnType<(typeof import('@gantry/shared/queue'))['openQueue']>;

/** What `GET /gantry/jobs` shows of a job. */
export interface JobSummary {
  id: string;
  name: string;
  state: string;
  /** ISO 8601 */
  created: string;
  finished?: string;
}

/** The queue of long operations on images. BullMQ is loaded for the first job, not before. */
@Injectable()
export class ImageJobQueue implements OnApplicationShutdown {
  private opened?: Promise<Queue>;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Adds a job and follows it to its end: its lines as they come. @throws EngineError that the job failed with. */
  async *run<N extends ImageJobName>(
    name: N,
    data: ImageJobs[N],
    signal: AbortSignal,
  ): AsyncGenerator<unknown, void> {
    const job = await (await this.queue()).add(name, data);
    yield* this.lines(String(job.id), signal);
  }

  /** The lines of a job that any gateway of the node has added, from its first. @throws NotFound; what the job failed with */
  async *follow(id: string, signal: AbortSignal): AsyncGenerator<unknown, void> {
    if (!(await (await this.queue()).getJob(id))) throw notFound(`No such job: ${id}`);
    yield* this.lines(id, signal);
  }

  /** The newest jobs of the node, running ones first. */
  async list(): Promise<JobSummary[]> {
    const queue = await this.queue();
    const jobs = await queue.getJobs(['active', 'waiting', 'delayed', 'failed', 'completed'], 0, 99);
    return Promise.all(
      jobs.map(async (job) => ({
        id: String(job.id),
        name: job.name,
        state: await job.getState(),
        created: new Date(job.timestamp).toISOString(),
        ...(job.finishedOn ? { finished: new Date(job.finishedOn).toISOString() } : {}),
      })),
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await (await this.opened)?.close();
  }

  private async *lines(id: string, signal: AbortSignal): AsyncGenerator<unknown, void> {
    const { followJob } = await import('@gantry/shared/queue');
    const { connectRedis } = await import('@gantry/shared/redis');
    const redis = connectRedis(this.config.redisUrl, (error) => this.onRedisError(error));
    const disconnect = () => redis.disconnect();
    signal.addEventListener('abort', disconnect, { once: true });
    try {
      yield* followJob(redis, this.config, id, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', disconnect);
      disconnect();
    }
  }

  private queue(): Promise<Queue> {
    this.opened ??= import('@gantry/shared/queue').then(({ IMAGE_QUEUE, openQueue }) => {
      const queue = openQueue(this.config, IMAGE_QUEUE);
      queue.on('error', (error) => this.onRedisError(error));
      return queue;
    });
    return this.opened;
  }

  private onRedisError(error: Error): void {
    this.logger.warn({ err: error.message }, 'redis is away');
  }
}
