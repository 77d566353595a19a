import { type INestApplication, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { RequestListener } from 'node:http';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { ApiGatewayModule } from './api-gateway.module';
import { GATEWAY_CONFIG, type GatewayConfig } from './config';
import { RequestDurations } from './metrics/request-durations';
import { EXPERIMENTAL_HEADER } from './routing/api-version';
import { EngineHttpAdapter } from './routing/engine-http-adapter';
import { ErrorAnswers } from './routing/error-answers.filter';
import type { NextFunction, Request, Response } from './routing/http-messages';

/** The application without sockets: `listener` answers requests from wherever they come. */
export interface GatewayApplication {
  app: INestApplication;
  listener: RequestListener;
}

function sayExperimental(_request: Request, response: Response, next: NextFunction): void {
  response.setHeader(EXPERIMENTAL_HEADER, 'true');
  next();
}

export async function createGatewayApplication(logger: LoggerService): Promise<GatewayApplication> {
  const adapter = new EngineHttpAdapter();
  const app = await NestFactory.create(ApiGatewayModule, adapter, {
    bodyParser: false,
    abortOnError: false,
    logger,
  });
  if (app.get<GatewayConfig>(GATEWAY_CONFIG).experimental) app.use(sayExperimental);
  app.use(app.get(RequestDurations).middleware);
  app.useGlobalFilters(new ErrorAnswers(app.get<Logger>(LOGGER)));
  await app.init();
  return { app, listener: adapter.listener };
}
