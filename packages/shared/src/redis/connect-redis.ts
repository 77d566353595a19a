import { Redis, type RedisOptions } from 'ioredis';

/**
 * Options for `redis://`, `rediss://` and `unix:///path` addresses. Commands wait for a Redis that is away (BullMQ wants
 * that too: maxRetriesPerRequest null); whoever must not wait sets a limit of its own.
 */
export function redisOptions(url: string): RedisOptions {
  const base: RedisOptions = {
    maxRetriesPerRequest: null,
    enableReadyCheck: true,
    retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, 2_000),
  };
  if (url.startsWith('unix://')) return { ...base, path: url.slice('unix://'.length) };
  const parsed = new URL(url);
  return {
    ...base,
    host: parsed.hostname,
    port: Number(parsed.port || 6379),
    username: parsed.username ? decodeURIComponent(parsed.username) : undefined,
    password: parsed.password ? decodeURIComponent(parsed.password) : undefined,
    db: Number(parsed.pathname.slice(1) || 0),
    tls: parsed.protocol === 'rediss:' ? {} : undefined,
  };
}

/** A connection of its own; reconnects for ever. `onError` hears of trouble (ioredis would print it). */
export function connectRedis(url: string, onError: (error: Error) => void): Redis {
  const redis = new Redis(redisOptions(url));
  redis.on('error', onError);
  return redis;
}
