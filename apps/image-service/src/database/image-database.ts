import { PrismaPg } from '@prisma/adapter-pg';
import { Pool } from 'pg';
import type { InstanceConfig } from '@gantry/shared/config';
import { postgresPool } from '@gantry/shared/database';
import { Prisma, PrismaClient } from '../generated/prisma/client';

export { Prisma };
export type { Image, Layer, LayerBlob, Manifest, Snapshot, Tag } from '../generated/prisma/client';

/** This service's Postgres schema. Rows are those of every node; whoever asks says which. */
export class ImageDatabase extends PrismaClient {
  private readonly pool: Pool;

  constructor(config: InstanceConfig) {
    const pool = new Pool(postgresPool(config.databaseUrl, 'image'));
    // An idle connection that breaks is made anew by the next query.
    pool.on('error', () => {});
    // The default format quotes the source around the call: megabytes of it in a bundle.
    super({
      adapter: new PrismaPg(pool, { schema: 'image', disposeExternalPool: true }),
      errorFormat: 'minimal',
    });
    this.pool = pool;
  }

  /** A statement of the hot path: prepared once a connection, and half the time of Prisma's own. */
  async fast<Row extends object>(statement: Prisma.Sql): Promise<Row[]> {
    const { text, values } = statement;
    const { rows } = await this.pool.query<Row>({ name: nameOf(text), text, values });
    return rows;
  }
}

const names = new Map<string, string>();

/** What the server remembers a statement by. There are as many as there are places that call `fast`. */
function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) names.set(text, (name = `hot_${names.size}`));
  return name;
}

/** A row that refers to another one which is gone, or that others refer to. */
export function isForeignKeyViolation(error: unknown): boolean {
  if ((error as { code?: string }).code === '23503') return true;
  const { code, meta } = error as {
    code?: string;
    meta?: { code?: string; driverAdapterError?: { cause?: { kind?: string } } };
  };
  const kind = meta?.driverAdapterError?.cause?.kind;
  return code === 'P2003' || meta?.code === '23503' || kind === 'ForeignKeyConstraintViolation';
}
