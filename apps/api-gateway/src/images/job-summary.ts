import type { ImageJobs } from '@gantry/shared/queue';

/** What `GET /gantry/jobs` shows of a job. */
export interface JobSummary {
  id: string;
  /** `pull`, `load` ... */
  name: string;
  /** `waiting`, `active`, `delayed`, `completed`, `failed` */
  state: string;
  /** What it is about, an image mostly. Empty: what has been uploaded. */
  subject: string;
  /** ISO 8601 */
  created: string;
  started?: string;
  finished?: string;
  /** The process that has it, or had it last. */
  worker?: number;
  /** The newest line of its progress. */
  progress?: unknown;
  /** Clients that follow it. */
  watchers: number;
}

/** What of BullMQ's job a summary is made of. */
interface QueuedJob {
  id?: string;
  name: string;
  data: unknown;
  timestamp: number;
  processedOn?: number;
  finishedOn?: number;
  /** The name of its worker: ends in `<pid>/<start time>`. */
  processedBy?: string;
}

export function summaryOf(
  job: QueuedJob,
  more: { state: string; watchers: number; progress: unknown },
): JobSummary {
  const date = (ms: number) => new Date(ms).toISOString();
  const pid = /\/(\d+)\/\d+$/.exec(job.processedBy ?? '')?.[1];
  return {
    id: String(job.id),
    name: job.name,
    state: more.state,
    subject: subjectOf(job.data as SubjectData),
    created: date(job.timestamp),
    ...(job.processedOn ? { started: date(job.processedOn) } : {}),
    ...(job.finishedOn ? { finished: date(job.finishedOn) } : {}),
    ...(pid === undefined ? {} : { worker: Number(pid) }),
    ...(more.progress === undefined ? {} : { progress: more.progress }),
    watchers: more.watchers,
  };
}

type SubjectData = Partial<Pick<ImageJobs['pull'], 'repository' | 'tag' | 'platform'>>;

/** `busybox:1`, `busybox@sha256:...`, `busybox` for all tags. */
export function subjectOf({ repository = '', tag = '' }: SubjectData): string {
  if (repository === '' || tag === '') return repository;
  return `${repository}${tag.includes(':') ? '@' : ':'}${tag}`;
}
