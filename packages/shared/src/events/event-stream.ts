import { setImmediate as turnsEnd } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { inTime } from '../redis';
import type { EngineEvent } from './engine-event';

/** How many events a node keeps: `GET /events?since=` reaches back that far. */
const KEPT_EVENTS = 100_000;
/** How long after Redis has refused events they are offered again, should none come before. Milliseconds. */
const RETRY_MS = 1_000;

export const eventStreamKey = (prefix: string, nodeId: string): string => `${prefix}events:${nodeId}`;

/**
 * Puts events on the node's Redis Stream in the order given. Never makes the caller wait: those of one turn of the event loop
 * are sent together at its end, when callers have been answered, and what Redis cannot take now is kept in memory (the newest
 * 10,000) and sent when it is back.
 */
export class EventPublisher {
  private readonly key: string;
  private readonly pending: EngineEvent[] = [];
  private flushing?: Promise<void>;
  private retry?: NodeJS.Timeout;

  constructor(
    private readonly redis: Redis,
    prefix: string,
    nodeId: string,
    private readonly onError: (error: unknown) => void = () => {},
  ) {
    this.key = eventStreamKey(prefix, nodeId);
  }

  publish(event: EngineEvent): void {
    this.pending.push(event);
    if (this.pending.length > 10_000) this.pending.shift();
    this.send();
  }

  /** Waits until everything published so far is in Redis. */
  async drain(): Promise<void> {
    while (this.flushing) await this.flushing;
  }

  private send(): void {
    this.flushing ??= turnsEnd()
      .then(() => this.flush())
      .finally(() => {
        this.flushing = undefined;
      });
  }

  private async flush(): Promise<void> {
    clearTimeout(this.retry);
    while (this.pending.length > 0) {
      const batch = this.pending.splice(0, 100);
      const refused = await this.add(batch);
      if (refused.length === 0) continue;
      this.pending.unshift(...refused);
      this.retry = setTimeout(() => this.send(), RETRY_MS).unref();
      return;
    }
  }

  /** Returns the events that Redis did not take: it is away, or its disk is full. */
  private async add(batch: readonly EngineEvent[]): Promise<EngineEvent[]> {
    const pipeline = this.redis.pipeline();
    for (const event of batch) {
      pipeline.xadd(this.key, 'MAXLEN', '~', KEPT_EVENTS, '*', 'event', JSON.stringify(event));
    }
    try {
      const results = (await pipeline.exec()) ?? [];
      const refusal = results.find(([error]) => error)?.[0];
      if (refusal) this.onError(refusal);
      return batch.filter((_event, index) => results[index]?.[0]);
    } catch (error) {
      this.onError(error);
      return [...batch];
    }
  }
}

/**
 * The events of a node: first what was kept since `sinceMs` (milliseconds; undefined: nothing old), then what comes,
 * until `signal` ends it or, without `follow`, until the end of what is there. `redis` has to be a connection of its own:
 * reading blocks it.
 * @throws Unavailable where Redis is away
 */
export async function* readEvents(
  redis: Redis,
  prefix: string,
  nodeId: string,
  options: { sinceMs?: number; follow: boolean; signal: AbortSignal },
): AsyncGenerator<EngineEvent> {
  const key = eventStreamKey(prefix, nodeId);
  let last: string;
  if (options.sinceMs === undefined) {
    const newest = await inTime(redis.xrevrange(key, '+', '-', 'COUNT', 1));
    last = newest[0]?.[0] ?? '0-0';
  } else {
    // Redis stamps an entry a little after the event happened: start a second early, the caller compares event times.
    last = `${Math.max(0, Math.floor(options.sinceMs) - 1_000)}-0`;
  }
  while (!options.signal.aborted) {
    const reply = await inTime(
      options.follow
        ? redis.xread('COUNT', 200, 'BLOCK', 1_000, 'STREAMS', key, last)
        : redis.xread('COUNT', 200, 'STREAMS', key, last),
    );
    const entries = reply?.[0]?.[1] ?? [];
    if (entries.length === 0 && !options.follow) return;
    for (const [id, fields] of entries) {
      last = id;
      yield JSON.parse(fields[1] ?? '{}') as EngineEvent;
      if (options.signal.aborted) return;
    }
  }
}
