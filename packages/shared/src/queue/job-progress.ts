import type { Redis } from 'ioredis';
import { EngineError, messageOf, type ErrorKind } from '../errors';
import type { InstanceConfig } from '../config';

/** How long a finished job's progress can still be read. Seconds. */
const KEPT_SECONDS = 600;

const progressKey = (config: InstanceConfig, jobId: string): string =>
  `${config.redisPrefix}progress:${config.nodeId}:${jobId}`;

/** One line of a job's progress stream: an API object, or the end. */
type ProgressEntry =
  | { type: 'line'; line: unknown }
  | { type: 'done'; result: unknown }
  | { type: 'failed'; kind: ErrorKind; message: string };

/** The worker's side of a job's progress stream. */
export class JobProgress {
  constructor(
    private readonly redis: Redis,
    private readonly config: InstanceConfig,
    private readonly jobId: string,
  ) {}

  /** An object as the API streams it: `{"status": ...}`, `{"stream": ...}`. */
  async line(line: unknown): Promise<void> {
    await this.add({ type: 'line', line });
  }

  async done(result: unknown): Promise<void> {
    await this.add({ type: 'done', result });
  }

  /** Only for what a retry would not mend. */
  async failed(error: unknown): Promise<void> {
    const kind = error instanceof EngineError ? error.kind : 'Internal';
    await this.add({ type: 'failed', kind, message: messageOf(error) });
  }

  private async add(entry: ProgressEntry): Promise<void> {
    const key = progressKey(this.config, this.jobId);
    await this.redis
      .pipeline()
      .xadd(key, '*', 'entry', JSON.stringify(entry))
      .expire(key, KEPT_SECONDS)
      .exec();
  }
}

/**
 * The lines of a job from its first to its end, whenever the reader comes; returns the job's result.
 * `redis` has to be a connection of its own: reading blocks it.
 * @throws EngineError that the job failed with.
 */
export async function* followJob(
  redis: Redis,
  config: InstanceConfig,
  jobId: string,
  signal: AbortSignal,
): AsyncGenerator<unknown, unknown> {
  const key = progressKey(config, jobId);
  let last = '0-0';
  while (!signal.aborted) {
    const reply = await redis.xread('COUNT', 200, 'BLOCK', 1_000, 'STREAMS', key, last);
    for (const [id, fields] of reply?.[0]?.[1] ?? []) {
      last = id;
      const entry = JSON.parse(fields[1] ?? '{}') as ProgressEntry;
      if (entry.type === 'line') yield entry.line;
      else if (entry.type === 'done') return entry.result;
      else throw new EngineError(entry.kind, entry.message);
    }
  }
  return undefined;
}
