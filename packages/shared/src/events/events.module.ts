import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '../config';
import { LOGGER, type Logger } from '../logging';
import { connectRedis, type Redis } from '../redis';
import { EventPublisher } from './event-stream';

const EVENTS_REDIS = Symbol('EventsRedis');

/** Gives every provider of a service the EventPublisher of its node. */
@Global()
@Module({
  providers: [
    {
      provide: EVENTS_REDIS,
      inject: [INSTANCE_CONFIG, LOGGER],
      useFactory: (config: InstanceConfig, logger: Logger) =>
        connectRedis(config.redisUrl, (error) => logger.warn({ err: error.message }, 'redis is away')),
    },
    {
      provide: EventPublisher,
      inject: [EVENTS_REDIS, INSTANCE_CONFIG, LOGGER],
      useFactory: (redis: Redis, config: InstanceConfig, logger: Logger) =>
        new EventPublisher(redis, config.redisPrefix, config.nodeId, (error) =>
          logger.warn({ err: error }, 'event not published yet'),
        ),
    },
  ],
  exports: [EventPublisher],
})
export class EventsModule implements OnApplicationShutdown {
  constructor(@Inject(EVENTS_REDIS) private readonly redis: Redis) {}

  onApplicationShutdown(): void {
    this.redis.disconnect();
  }
}
