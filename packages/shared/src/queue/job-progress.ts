import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { EngineError, internal, messageOf, type ErrorKind } from '../errors';
import type { InstanceConfig } from '../config';
import { inTime } from '../redis';

/** How long a finished job's progress can still be read. Seconds. */
const KEPT_SECONDS = 600;
/** The same of one that is large. */
const LARGE_KEPT_SECONDS = 60;
const LARGE_BYTES = 1024 * 1024;
/**
 * What Redis holds of one job at most: a command of a Dockerfile may write for ever. Who reads so much more slowly than the job
 * writes misses what is older, and is told so. Bytes.
 */
const HELD_BYTES = 16 * 1024 * 1024;
const CLIPPED = `\n[output clipped: the reader is more than ${HELD_BYTES / 1024 / 1024} MiB behind]\n`;

/** For how long, and how often, a Redis is asked again that takes nothing because its own disk is full. Milliseconds. */
const REFUSED_MS = 20_000;
const ASK_AGAIN_MS = 250;

const progressKey = (config: InstanceConfig, jobId: string): string =>
  `${config.redisPrefix}progress:${config.nodeId}:${jobId}`;

/** Where the id is kept up to which the entries of a stream are gone. */
const clippedKey = (key: string): string => `${key}:clipped`;

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
  /** What this process has put into the stream and has not taken out again, oldest first. */
  private readonly held: { lastId: string; bytes: number }[] = [];
  private heldBytes = 0;

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
    const entries = lines.map((line) => JSON.stringify({ type: 'line', line }));
    const results = await this.write(() => {
      const pipeline = this.redis.pipeline();
      for (const entry of entries) pipeline.xadd(key, '*', 'entry', entry);
      return pipeline.expire(key, KEPT_SECONDS);
    });
    const lastId = results[entries.length - 1];
    if (typeof lastId === 'string') await this.clip(lastId, entries.join('').length);
  }

  async done(result: unknown): Promise<void> {
    await this.add({ type: 'done', result });
    await this.letGo();
  }

  /** Only for what a retry would not mend. */
  async failed(error: unknown): Promise<void> {
    const kind = error instanceof EngineError ? error.kind : 'Internal';
    await this.add({ type: 'failed', kind, message: messageOf(error) });
    await this.letGo();
  }

  /** Takes out of the stream what is too much, now that so many bytes have been added. */
  private async clip(lastId: string, bytes: number): Promise<void> {
    this.held.push({ lastId, bytes });
    this.heldBytes += bytes;
    let gone: string | undefined;
    while (this.heldBytes > HELD_BYTES && this.held.length > 1) {
      const oldest = this.held.shift();
      this.heldBytes -= oldest?.bytes ?? 0;
      gone = oldest?.lastId;
    }
    if (gone === undefined) return;
    const key = progressKey(this.config, this.jobId);
    const pipeline = this.redis.pipeline().set(clippedKey(key), gone, 'EX', KEPT_SECONDS);
    await pipeline.xtrim(key, 'MINID', idAfter(gone)).exec();
  }

  private async letGo(): Promise<void> {
    if (this.heldBytes < LARGE_BYTES) return;
    await this.redis.expire(progressKey(this.config, this.jobId), LARGE_KEPT_SECONDS);
  }

  private async add(entry: ProgressEntry, replaced?: string): Promise<string | undefined> {
    const key = progressKey(this.config, this.jobId);
    const [added] = await this.write(() => {
      const pipeline = this.redis.pipeline().xadd(key, '*', 'entry', JSON.stringify(entry));
      if (replaced !== undefined) pipeline.xdel(key, replaced);
      return pipeline.expire(key, KEPT_SECONDS);
    });
    return added as string | undefined;
  }

  /** What Redis answers to each command. On a full disk it refuses them all, until the job that filled it has let go. */
  private async write(commands: () => ReturnType<Redis['pipeline']>): Promise<unknown[]> {
    const since = performance.now();
    for (;;) {
      const results = (await commands().exec()) ?? [];
      const refusal = results.find(([error]) => error)?.[0];
      if (!refusal) return results.map(([, result]) => result);
      if (!refusal.message.startsWith('MISCONF') || performance.now() - since > REFUSED_MS) throw refusal;
      await sleep(ASK_AGAIN_MS);
    }
  }
}

const partsOf = (id: string): number[] => id.split('-').map(Number);

/** Whether one entry id of a Redis Stream is smaller than another. */
function isBefore(one: string, other: string): boolean {
  const [[oneMs = 0, oneNumber = 0], [ms = 0, number = 0]] = [partsOf(one), partsOf(other)];
  return oneMs < ms || (oneMs === ms && oneNumber < number);
}

function idAfter(id: string): string {
  const [ms, number = 0] = partsOf(id);
  return `${ms}-${number + 1}`;
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
 * @throws EngineError that the job failed with; Unavailable where Redis is away
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
    const reply = await inTime(redis.xread('COUNT', 200, 'BLOCK', 1_000, 'STREAMS', key, last));
    const entries = reply?.[0]?.[1] ?? [];
    const gone = entries[0] && (await inTime(redis.get(clippedKey(key))));
    if (gone && isBefore(last, gone) && isBefore(gone, entries[0]?.[0] ?? '')) yield { stream: CLIPPED };
    for (const [id, fields] of entries) {
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
