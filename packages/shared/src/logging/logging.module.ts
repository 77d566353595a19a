import { type DynamicModule, Module } from '@nestjs/common';
import { createLogger } from './logger';

/** DI token of the service's Logger. */
export const LOGGER = Symbol('Logger');

@Module({})
export class LoggingModule {
  static for(service: string): DynamicModule {
    return {
      module: LoggingModule,
      global: true,
      providers: [{ provide: LOGGER, useFactory: () => createLogger(service) }],
      exports: [LOGGER],
    };
  }
}
