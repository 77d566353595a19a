import { PrismaPg } from '@prisma/adapter-pg';
import type { InstanceConfig } from '@gantry/shared/config';
import { postgresPool } from '@gantry/shared/database';
import { PrismaClient } from '../generated/prisma/client';

/** This service's Postgres schema. */
export class ContainerDatabase extends PrismaClient {
  constructor(config: InstanceConfig) {
    super({
      adapter: new PrismaPg(postgresPool(config.databaseUrl, 'container'), { schema: 'container' }),
      // Otherwise an error quotes the source around the call, which in a bundle is most of it.
      errorFormat: 'minimal',
    });
  }
}
