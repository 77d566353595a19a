import type { FactoryProvider } from '@nestjs/common';
import { NodeCheck } from '../check/node-check';
import { ImportImage } from '../import/import-image';
import { LoadImages } from '../load/load-images';
import { PullImages } from '../pull/pull-images';
import { PushImages } from '../push/push-images';
import { IMAGE_JOB_HANDLERS, type ImageJobHandlers } from './image-job';
import { JobUploads } from './job-uploads';

/** What is done for each kind of job. */
export const jobHandlers: FactoryProvider<ImageJobHandlers> = {
  provide: IMAGE_JOB_HANDLERS,
  inject: [JobUploads, LoadImages, ImportImage, PullImages, PushImages, NodeCheck],
  useFactory: (
    uploads: JobUploads,
    loading: LoadImages,
    importing: ImportImage,
    pulling: PullImages,
    pushing: PushImages,
    checking: NodeCheck,
  ): ImageJobHandlers => ({
    load: async (data, { onLine }) => {
      await loading.load(uploads.path(data.uploadId), data, onLine);
      return {};
    },
    import: async (data, { created, onLine }) => {
      // The job's time, not now: a second attempt has to make the same image.
      const id = await importing.import(uploads.path(data.uploadId), { ...data, created });
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
    check: async (data, { onLine }) => ({ ...(await checking.check(data, onLine)) }),
  }),
};
