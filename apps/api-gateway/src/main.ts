import 'reflect-metadata';
import { endAtStart, stopOnSignal } from '@gantry/shared/grpc';
import { createLogger, NestLogger } from '@gantry/shared/logging';
import { type GatewayConfig, GATEWAY_CONFIG } from './config';
import { createGatewayApplication } from './gateway-application';
import { ApiListeners } from './listen/api-listeners';

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
    logger.info({ hosts: config.hosts }, 'ready');
    process.send?.({ ready: true });
  } catch (error) {
    endAtStart('api-gateway', error, logger);
  }
}

void main();
