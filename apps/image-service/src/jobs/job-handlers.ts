import type { FactoryProvider } from '@nestjs/common';
import { BuildJobs } from '../build/build-jobs';
import { NodeCheck } from '../check/node-check';
import { platformOfJson } from '../images/image-config';
import { ImportImage } from '../import/import-image';
import { LoadImages } from '../load/load-images';
import { PullImages } from '../pull/pull-images';
import { PushImages } from '../push/push-images';
import { IMAGE_JOB_HANDLERS, type ImageJobHandlers } from './image-job';
import { JobUploads } from './job-uploads';

/** What is done for each kind of job. */
export const jobHandlers: FactoryProvider<ImageJobHandlers> = {
  provide: IMAGE_JOB_HANDLERS,
  inject: [JobUploads, LoadImages, ImportImage, PullImages, PushImages, BuildJobs, NodeCheck],
  useFactory: (
    uploads: JobUploads,
    loading: LoadImages,
    importing: ImportImage,
    pulling: PullImages,
    pushing: PushImages,
    building: BuildJobs,
    checking: NodeCheck,
  ): ImageJobHandlers => ({
    load: async ({ uploadId, quiet, platformsJson }, { onLine, signal }) => {
      const platforms = platformsJson.map(platformOfJson).filter((platform) => platform !== undefined);
      await loading.load(uploads.path(uploadId), { quiet, platforms }, onLine, signal);
      return {};
    },
    import: async ({ uploadId, ...options }, { created, onLine, signal }) => {
      const upload = options.source === '-' ? uploads.path(uploadId) : undefined;
      // The job's time, not now: a second attempt has to make the same image.
      const id = await importing.import(upload, { ...options, created }, { onLine, signal });
      await onLine({ status: id });
      return { id };
    },
    pull: async ({ credentialsId, ...data }, { onLine, signal }) => {
      await pulling.pull(
        { ...data, credentials: await uploads.credentials(credentialsId) },
        { onLine, signal },
      );
      return {};
    },
    push: async ({ credentialsId, ...data }, { onLine, signal }) => {
      await pushing.push(data, await uploads.credentials(credentialsId), onLine, signal);
      return {};
    },
    build: (data, context) => building.run(data, context),
    check: async (data, { onLine }) => ({ ...(await checking.check(data, onLine)) }),
  }),
};
