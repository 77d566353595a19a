import { Controller, Get, Headers, Inject, Res } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { filterTerms } from '@gantry/shared/filters';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import type { Redis } from '@gantry/shared/redis';
import type { Response } from '../routing/http-messages';
import { ApiMinor, ApiQuery, ClientGone } from '../routing/parameters';
import type { QueryParameters } from '../routing/query-parameters';
import { writeWithBackPressure } from '../streaming/back-pressure';
import { eventPasses } from './event-filter';
import { EventListeners } from './event-listeners';
import { negotiateFraming, versionedEvent } from './event-format';
import { type EventWindow, eventWindow } from './event-window';

/** API: SystemEvents, from the Redis Stream of the node. Each client has a connection to Redis of its own. */
@Controller()
export class EventsController {
  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(EventListeners) private readonly listeners: EventListeners,
  ) {}

  @Get('events')
  async events(
    @ApiQuery() query: QueryParameters,
    @ApiMinor() minor: number,
    @Headers('accept') accept: string | undefined,
    @Res() response: Response,
    @ClientGone() gone: AbortSignal,
  ): Promise<void> {
    // ioredis is loaded for the first client that needs it.
    const { eventToJson, nowNanos } = await import('@gantry/shared/events');
    const window = eventWindow(query.text('since'), query.text('until'), nowNanos());
    const terms = filterTerms(query.filters());
    const framing = negotiateFraming(accept, minor);
    const redis = await this.connection();
    response.setHeader('Content-Type', framing.contentType);
    response.flushHeaders();
    const leave = this.listeners.join();
    try {
      for await (const event of this.read(redis, window, gone)) {
        if (!eventPasses(event, terms)) continue;
        const line = `${framing.prefix}${eventToJson(versionedEvent(event, minor))}\n`;
        if (!(await writeWithBackPressure(response, line))) return;
      }
      response.end();
    } finally {
      leave();
    }
  }

  /** @throws Unavailable where Redis is away: nobody is left to believe that nothing happens */
  private async connection(): Promise<Redis> {
    const { connectRedis, inTime } = await import('@gantry/shared/redis');
    const redis = connectRedis(this.config.redisUrl, (error) =>
      this.logger.warn({ err: error.message }, 'redis is away'),
    );
    try {
      await inTime(redis.ping());
      return redis;
    } catch (error) {
      redis.disconnect();
      throw error;
    }
  }

  /** The events of the window, until it is over or the client is gone. Ends the connection. */
  private async *read(redis: Redis, window: EventWindow, gone: AbortSignal) {
    const { readEvents } = await import('@gantry/shared/events');
    const end = new AbortController();
    // The connection goes with the reader: a read that blocks in Redis ends with it.
    end.signal.addEventListener('abort', () => redis.disconnect(), { once: true });
    const finish = () => end.abort();
    gone.addEventListener('abort', finish, { once: true });
    if (gone.aborted) finish();
    const timer = window.until !== undefined && !window.past ? this.endAt(window.until, finish) : undefined;
    try {
      const events = readEvents(redis, this.config.redisPrefix, this.config.nodeId, {
        sinceMs: Number(window.since / 1_000_000n),
        follow: !window.past,
        signal: end.signal,
      });
      for await (const event of events) {
        const nanos = BigInt(event.timeNano);
        if (nanos < window.since) continue;
        if (window.until !== undefined && nanos > window.until) return;
        yield event;
      }
    } catch (error) {
      if (!end.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
      gone.removeEventListener('abort', finish);
      finish();
    }
  }

  /** Timers hold 24 days at most: whoever asks for more is let go then. */
  private endAt(until: bigint, finish: () => void): NodeJS.Timeout {
    const milliseconds = Number(until / 1_000_000n) - Date.now();
    return setTimeout(finish, Math.min(Math.max(0, milliseconds), 0x7fffffff));
  }
}
