import { rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { EngineError, internal, notFound } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { IMAGE_QUEUE, type ImageJobs, JobProgress, openWorker } from '@gantry/shared/queue';
import { connectRedis, type Redis } from '@gantry/shared/redis';
import { BlobStore } from '../blobs/blob-store';
import { NodeCheck } from '../check/node-check';
import { ImportImage } from '../import/import-image';
import { PullImages } from '../pull/pull-images';
import { LoadImages } from '../load/load-images';

type Worker = ReturnType<typeof openWorker>;
type Job = Parameters<Parameters<typeof openWorker>[3]>[0];

const CONCURRENCY = 2;

/** Runs the jobs of the node's image queue, beside every other image-service of the node. */
@Injectable()
export class ImageJobWorker implements OnApplicationBootstrap, OnApplicationShutdown {
  private worker?: Worker;
  private redis?: Redis;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(BlobStore) private readonly blobs: BlobStore,
    @Inject(LoadImages) private readonly loading: LoadImages,
    @Inject(ImportImage) private readonly importing: ImportImage,
    @Inject(NodeCheck) private readonly checking: NodeCheck,
    @Inject(PullImages) private readonly pulling: PullImages,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    const away = (error: Error) => this.logger.warn({ err: error.message }, 'redis is away');
    this.redis = connectRedis(this.config.redisUrl, away);
    this.worker = openWorker(this.config, IMAGE_QUEUE, CONCURRENCY, (job) => this.run(job));
    this.worker.on('error', away);
  }

  async onApplicationShutdown(): Promise<void> {
    // A job that does not end in time is taken up by another worker.
    await this.worker?.close(true);
    this.redis?.disconnect();
  }

  /**
   * What the user did wrong ends the job at once. Anything else is tried again, by whichever worker is free, and ends the
   * job with the last attempt.
   */
  private async run(job: Job): Promise<unknown> {
    if (!this.redis) throw internal('the worker is not running');
    const progress = new JobProgress(this.redis, this.config, job.id ?? '');
    const { uploadId } = job.data as { uploadId: string };
    try {
      const result = await this.perform(job, progress);
      await progress.done(result);
      await this.dropUpload(uploadId);
      return result;
    } catch (error) {
      const isFinal =
        error instanceof EngineError && error.kind !== 'Internal' && error.kind !== 'Unavailable';
      const attempts = job.opts.attempts ?? 1;
      if (!isFinal && job.attemptsMade + 1 < attempts) throw error;
      if (!isFinal) this.logger.error({ err: error, job: job.id }, 'job failed');
      await progress.failed(error);
      await this.dropUpload(uploadId);
      return { failed: true };
    }
  }

  private async perform(job: Job, progress: JobProgress): Promise<unknown> {
    const line = (value: unknown) => progress.line(value);
    if (job.name === 'load') {
      const data = job.data as ImageJobs['load'];
      await this.loading.load(this.upload(data.uploadId), data, line);
      return {};
    }
    if (job.name === 'import') {
      const data = job.data as ImageJobs['import'];
      // The job's time, not now: a second attempt has to make the same image.
      const id = await this.importing.import(this.upload(data.uploadId), {
        ...data,
        created: new Date(job.timestamp),
      });
      await line({ status: id });
      return { id };
    }
    if (job.name === 'check') return { ...(await this.checking.check(job.data as ImageJobs['check'], line)) };
    if (job.name === 'pull') {
      const data = job.data as ImageJobs['pull'];
      await this.pulling.pull(
        { ...data, credentials: undefined },
        { onLine: line, signal: new AbortController().signal },
      );
      return {};
    }
    throw internal(`no such job: ${job.name}`);
  }

  private upload(uploadId: string): string {
    const path = this.blobs.uploadPath(uploadId);
    if (!existsSync(path)) throw notFound(`upload ${uploadId} is not there (any more)`);
    return path;
  }

  private async dropUpload(uploadId: string): Promise<void> {
    await rm(this.blobs.uploadPath(uploadId), { force: true }).catch((error: unknown) => {
      this.logger.warn({ err: error }, 'upload not removed');
    });
  }
}
