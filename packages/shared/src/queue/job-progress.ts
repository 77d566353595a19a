import type { Redis } from 'ioredis';
import { EngineError, internal, messageOf, type ErrorKind } from '../errors';
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

/**
 * The worker's side of a job's progress stream. A count (`progressDetail` with `current`) takes the place of the count before
 * it, so that the stream grows with the items of the job and not with its time.
 */
export class JobProgress {
  /** Entry ids of the newest counts, by what they count. */
  private readonly counts = new Map<string, string>();

  constructor(
    private readonly redis: Redis,
    private readonly config: InstanceConfig,
    private readonly jobId: string,
  ) {}

  /** An object as the API streams it: `{"status": ...}`, `{"stream": ...}`. */
  async line(line: unknown): Promise<void> {
    const counted = countedBy(line);
    const before = counted === undefined ? undefined : this.counts.get(counted);
    const entryId = await this.add({ type: 'line', line }, before);
    if (counted !== undefined && entryId !== undefined) this.counts.set(counted, entryId);
  }

  /** Several at once, none of them a count. */
  async lines(lines: readonly unknown[]): Promise<void> {
    const key = progressKey(this.config, this.jobId);
    const pipeline = this.redis.pipeline();
    for (const line of lines) pipeline.xadd(key, '*', 'entry', JSON.stringify({ type: 'line', line }));
    for (const [error] of (await pipeline.expire(key, KEPT_SECONDS).exec()) ?? []) if (error) throw error;
  }

  async done(result: unknown): Promise<void> {
    await this.add({ type: 'done', result });
  }

  /** Only for what a retry would not mend. */
  async failed(error: unknown): Promise<void> {
    const kind = error instanceof EngineError ? error.kind : 'Internal';
    await this.add({ type: 'failed', kind, message: messageOf(error) });
  }

  private async add(entry: ProgressEntry, replaced?: string): Promise<string | undefined> {
    const key = progressKey(this.config, this.jobId);
    const pipeline = this.redis
      .pipeline()
      .xadd(key, '*', 'entry', JSON.stringify(entry))
      .expire(key, KEPT_SECONDS);
    if (replaced !== undefined) pipeline.xdel(key, replaced);
    const [added] = (await pipeline.exec()) ?? [];
    if (added?.[0]) throw added[0];
    return added?.[1] as string | undefined;
  }
}

/** The item and the action that a line counts for; undefined: the line is no count. */
function countedBy(line: unknown): string | undefined {
  const { id, status, progressDetail } = line as {
    id?: string;
    status?: string;
    progressDetail?: { current?: number };
  };
  return id !== undefined && progressDetail?.current !== undefined ? `${id} ${status}` : undefined;
}

/** The newest line of a job; undefined where it has none. */
export async function newestLine(redis: Redis, config: InstanceConfig, jobId: string): Promise<unknown> {
  for (const [, fields] of await redis.xrevrange(progressKey(config, jobId), '+', '-', 'COUNT', 2)) {
    const entry = JSON.parse(fields[1] ?? '{}') as ProgressEntry;
    if (entry.type === 'line') return entry.line;
    if (entry.type === 'failed') return { error: entry.message };
  }
  return undefined;
}

/**
 * The lines of a job from its first to its end, whenever the reader comes; returns the job's result.
 * `redis` has to be a connection of its own: reading blocks it. `isOver`: whether the job has ended, asked when nothing comes.
 * @throws EngineError that the job failed with.
 */
export async function* followJob(
  redis: Redis,
  config: InstanceConfig,
  jobId: string,
  signal: AbortSignal,
  isOver: () => Promise<boolean>,
): AsyncGenerator<unknown, unknown> {
  const key = progressKey(config, jobId);
  let last = '0-0';
  let over = false;
  while (!signal.aborted) {
    const reply = await redis.xread('COUNT', 200, 'BLOCK', 1_000, 'STREAMS', key, last);
    for (const [id, fields] of reply?.[0]?.[1] ?? []) {
      last = id;
      const entry = JSON.parse(fields[1] ?? '{}') as ProgressEntry;
      if (entry.type === 'line') yield entry.line;
      else if (entry.type === 'done') return entry.result;
      else throw new EngineError(entry.kind, entry.message);
    }
    if (reply) continue;
    if (over) throw internal(`job ${jobId} is gone`);
    // What it wrote last is read before it counts.
    over = await isOver();
  }
  return undefined;
}
