import type { ImageJobName, ImageJobs } from '@gantry/shared/queue';
import type { OnLine, OnLines } from '../progress/progress-lines';

/** DI token of the {@link ImageJobHandlers}. */
export const IMAGE_JOB_HANDLERS = Symbol('ImageJobHandlers');

export interface JobContext {
  id: string;
  /** When the job was asked for: the same in every attempt. */
  created: Date;
  /** Its worker died, or had to stop: this is another attempt. */
  isAgain: boolean;
  /** Fires when nobody wants the job any more, or when this process is to stop. */
  signal: AbortSignal;
  /** Takes one line of the API's progress stream. */
  onLine: OnLine;
  /** The same for several, none of which is a count. */
  onLines: OnLines;
}

/**
 * One kind of job. It may be run again from the start after its process died: what an earlier attempt did is found on disk.
 * The result goes to whoever follows the job.
 */
export type ImageJobHandler<N extends ImageJobName> = (
  data: ImageJobs[N],
  context: JobContext,
) => Promise<unknown>;

export type ImageJobHandlers = { readonly [N in ImageJobName]?: ImageJobHandler<N> };
