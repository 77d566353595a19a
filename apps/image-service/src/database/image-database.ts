import { PrismaPg } from '@prisma/adapter-pg';
import type { InstanceConfig } from '@gantry/shared/config';
import { postgresPool } from '@gantry/shared/database';
import { PrismaClient } from '../generated/prisma/client';

export { Prisma } from '../generated/prisma/client';
export type { Image, Layer, Snapshot, Tag } from '../generated/prisma/client';

/** This service's Postgres schema. Rows are those of every node; whoever asks says which. */
export class ImageDatabase extends PrismaClient {
  constructor(config: InstanceConfig) {
    super({ adapter: new PrismaPg(postgresPool(config.databaseUrl, 'image'), { schema: 'image' }) });
  }
}

/** A row that refers to another one which is gone, or that others refer to. */
export function isForeignKeyViolation(error: unknown): boolean {
  const { code, meta } = error as {
    code?: string;
    meta?: { code?: string; driverAdapterError?: { cause?: { kind?: string } } };
  };
  const kind = meta?.driverAdapterError?.cause?.kind;
  return code === 'P2003' || meta?.code === '23503' || kind === 'ForeignKeyConstraintViolation';
}
