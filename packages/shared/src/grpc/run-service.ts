import 'reflect-metadata';
import { type INestApplicationContext, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { HealthServiceService, type HealthServiceServer } from '@gantry/proto/common';
import { ENGINE_VERSION, INSTANCE_CONFIG, type InstanceConfig, SettingError } from '../config';
import { EngineError } from '../errors';
import { createLogger, LOGGER, type Logger, NestLogger } from '../logging';
import { GrpcServer, type registration } from './server';

type Registrations = ReturnType<typeof registration>[];

export interface ServiceDescription {
  /** `image-service` */
  name: string;
  module: Type;
  address: (config: InstanceConfig) => string;
  /** The controllers of the running application, tied to their gRPC services. */
  services: (app: INestApplicationContext) => Registrations;
}

/**
 * The life of every gRPC service: Nest's context, the gRPC server with health, `ready` to the parent, and a clean stop on
 * SIGTERM/SIGINT. Does not return until it is ready; ends the process with one line and code 1 where it cannot start.
 */
export async function runService(description: ServiceDescription): Promise<void> {
  const early = createLogger(description.name);
  process.on('unhandledRejection', (error) => early.error({ err: error }, 'unhandled rejection'));
  try {
    const app = await NestFactory.createApplicationContext(description.module, {
      logger: new NestLogger(early),
      abortOnError: false,
    });
    const config = app.get<InstanceConfig>(INSTANCE_CONFIG);
    const logger = app.get<Logger>(LOGGER);
    const server = new GrpcServer(
      description.address(config),
      config.rpcTls,
      [...description.services(app), health(description.name)],
      (method, error) => {
        if (!(error instanceof EngineError) || error.kind === 'Internal')
          logger.error({ err: error, method }, 'call failed');
      },
    );
    await server.listen();
    stopOnSignal(async () => {
      await server.close();
      await app.close();
    }, logger);
    logger.info({ address: description.address(config) }, 'ready');
    process.send?.({ ready: true });
  } catch (error) {
    endAtStart(description.name, error, early);
  }
}

/** Ends a process that cannot start. A supervisor hears of a setting that is wrong, and need not try again. */
export function endAtStart(service: string, error: unknown, logger: Logger): void {
  const leave = () => process.exit(1);
  if (!(error instanceof SettingError)) {
    logger.fatal({ err: error }, `${service} cannot start`);
    return leave();
  }
  logger.fatal(error.message);
  if (!process.send?.({ refused: error.message }, leave)) leave();
}

/** Runs `stop` once on SIGTERM or SIGINT, and leaves after it or after 8 s. A parent that vanishes stops nothing. */
export function stopOnSignal(stop: () => Promise<void>, logger: Logger): void {
  let stopping = false;
  const onSignal = () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), 8_000).unref();
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'stop failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
}

function health(service: string): Registrations[number] {
  const implementation = {
    check: async () => {
      const { user, system } = process.cpuUsage();
      return {
        healthy: true,
        service,
        version: ENGINE_VERSION,
        detail: '',
        cpuSeconds: (user + system) / 1e6,
        residentBytes: process.memoryUsage.rss(),
      };
    },
  };
  return {
    definition: HealthServiceService,
    implementation: implementation as unknown as HealthServiceServer,
  };
}
