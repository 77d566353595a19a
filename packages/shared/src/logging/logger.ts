import type { LoggerService } from '@nestjs/common';
import pino, { type Logger } from 'pino';

export type { Logger } from 'pino';

/** JSON lines on standard error; the supervisor prefixes them with the service's name. */
export function createLogger(service: string, wanted = process.env['GANTRY_LOG_LEVEL'] ?? ''): Logger {
  // A word that is no level is refused with the other settings, which has to be said somewhere.
  const level = wanted in pino.levels.values ? wanted : 'info';
  return pino(
    { level, base: { service }, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}

/** Nest's own messages, in the same log. Its chatter about modules is debug. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}
  log(message: unknown): void {
    this.logger.debug(String(message));
  }
  error(message: unknown, ...rest: unknown[]): void {
    // What a start fails with is thrown, too, and said there.
    if (String(rest.at(-1)).endsWith('ExceptionHandler')) return;
    this.logger.error({ detail: rest.map(String) }, String(message));
  }
  warn(message: unknown): void {
    this.logger.warn(String(message));
  }
  debug(message: unknown): void {
    this.logger.debug(String(message));
  }
  verbose(message: unknown): void {
    this.logger.trace(String(message));
  }
}
