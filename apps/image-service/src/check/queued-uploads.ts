import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { IMAGE_QUEUE, openQueue } from '@gantry/shared/queue';

const UNFINISHED = ['active', 'waiting', 'delayed', 'prioritized', 'waiting-children'] as const;
/** How long Redis may take. Milliseconds. */
const PATIENCE_MS = 5_000;

/** Which uploads the jobs of the image queue are going to read. */
@Injectable()
export class QueuedUploads implements OnApplicationShutdown {
  private queue?: ReturnType<typeof openQueue>;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Every word in the data of a job that has not ended, upload ids among them; undefined when Redis is away. */
  async words(): Promise<Set<string> | undefined> {
    const jobs = await Promise.race([this.unfinished(), expired(PATIENCE_MS)]);
    return jobs && new Set(jobs.flatMap(wordsOf));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.queue?.disconnect();
  }

  private async unfinished(): Promise<unknown[] | undefined> {
    if (!this.queue) {
      this.queue = openQueue(this.config, IMAGE_QUEUE);
      this.queue.on('error', (error) => this.logger.warn({ err: error.message }, 'redis is away'));
    }
    try {
      return (await this.queue.getJobs([...UNFINISHED])).map((job) => job.data as unknown);
    } catch (error) {
      this.logger.warn({ err: error }, 'the queue cannot be read');
      return undefined;
    }
  }
}

const wordsOf = (data: unknown): string[] =>
  typeof data === 'object' && data !== null ? Object.values(data).flatMap(wordsOf) : [String(data)];

const expired = (ms: number): Promise<undefined> =>
  new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
