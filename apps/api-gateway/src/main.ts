import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { endAtStart, stopOnSignal } from '@gantry/shared/grpc';
import { createLogger, NestLogger } from '@gantry/shared/logging';
import { type GatewayConfig, GATEWAY_CONFIG } from './config';
import { createGatewayApplication } from './gateway-application';
import { ApiListeners } from './listen/api-listeners';

/** How long a gateway that another one has taken over from serves its last streams. Milliseconds. */
const LEAVE_MS = 60 * 60 * 1000;

async function main(): Promise<void> {
  const logger = createLogger('api-gateway');
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'));
  try {
    const { app, listener } = await createGatewayApplication(new NestLogger(logger));
    const config = app.get<GatewayConfig>(GATEWAY_CONFIG);
    const listeners = new ApiListeners(config, listener);
    await listeners.open();
    stopOnSignal(async () => {
      await listeners.close();
      await app.close();
    }, logger);
    process.on('message', (message: { leave?: boolean }) => {
      if (message.leave) void leaveWhenDone(listeners, app);
    });
    logger.info({ hosts: config.hosts }, 'ready');
    process.send?.({ ready: true });
  } catch (error) {
    endAtStart('api-gateway', error, logger);
  }
}

/** Another gateway has taken over: what this one has begun, it finishes. */
async function leaveWhenDone(listeners: ApiListeners, app: INestApplication): Promise<void> {
  await Promise.race([listeners.finish(), new Promise((resolve) => setTimeout(resolve, LEAVE_MS))]);
  await app.close();
  process.exit(0);
}

void main();
