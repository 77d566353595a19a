import type { Redis } from 'ioredis';
import type { InstanceConfig } from '../config';

/** A watcher that has not said for this long that it is there has died. Milliseconds. */
const WATCHER_MS = 5_000;
/** How often a watcher has to say so. Milliseconds. */
export const WATCH_REFRESH_MS = 1_500;
/** How long it is known that a job was cancelled. Seconds. */
const CANCELED_SECONDS = 600;

const NOW = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/** Keys: watchers, cancelled. Argument: the watcher. 1, or 0 where the job has been cancelled. */
const JOIN = `${NOW}
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ${10 * WATCHER_MS})
return 1`;

/** Keys: watchers, cancelled. Arguments: the watcher, channel, job. Cancels where nobody is left. */
const ABANDON = `${NOW}
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('ZCOUNT', KEYS[1], now - ${WATCHER_MS}, '+inf') > 0 then return 0 end
redis.call('SET', KEYS[2], 1, 'EX', ${CANCELED_SECONDS})
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1`;

/** Keys: watchers, cancelled. */
const STATE = `${NOW}
return {redis.call('ZCOUNT', KEYS[1], now - ${WATCHER_MS}, '+inf'), redis.call('EXISTS', KEYS[2])}`;

/** The channel on which the ids of cancelled jobs are told to the workers of the node. */
export const cancelChannel = (config: InstanceConfig): string =>
  `${config.redisPrefix}cancel:${config.nodeId}`;

/**
 * Who waits for a job, and whether anybody still wants it. A job is cancelled by the last of its watchers that leaves before
 * its end, or by an operator; one whose watchers have all died (they are no longer seen) by its worker.
 */
export class JobWatch {
  constructor(
    private readonly redis: Redis,
    private readonly config: InstanceConfig,
  ) {}

  /** Also to be called again every {@link WATCH_REFRESH_MS}. False: the job has been cancelled. */
  async join(jobId: string, watcher: string): Promise<boolean> {
    return (await this.redis.eval(JOIN, 2, ...this.keys(jobId), watcher)) === 1;
  }

  /** The watcher has seen the end. */
  async leave(jobId: string, watcher: string): Promise<void> {
    await this.redis.zrem(this.keys(jobId)[0], watcher);
  }

  /** The watcher will not see the end: the job is cancelled unless others watch it. */
  async abandon(jobId: string, watcher: string): Promise<void> {
    await this.redis.eval(ABANDON, 2, ...this.keys(jobId), watcher, cancelChannel(this.config), jobId);
  }

  async cancel(jobId: string): Promise<void> {
    await this.redis
      .multi()
      .set(this.keys(jobId)[1], 1, 'EX', CANCELED_SECONDS)
      .publish(cancelChannel(this.config), jobId)
      .exec();
  }

  async state(jobId: string): Promise<{ watchers: number; canceled: boolean }> {
    const [watchers, canceled] = (await this.redis.eval(STATE, 2, ...this.keys(jobId))) as [number, number];
    return { watchers, canceled: canceled === 1 };
  }

  private keys(jobId: string): [watchers: string, canceled: string] {
    const { redisPrefix, nodeId } = this.config;
    return [`${redisPrefix}watchers:${nodeId}:${jobId}`, `${redisPrefix}canceled:${nodeId}:${jobId}`];
  }
}
