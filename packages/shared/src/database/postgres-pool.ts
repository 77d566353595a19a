import type { PoolConfig } from 'pg';
import { parse } from 'pg-connection-string';

/** Connections a service holds at most: every request does at most one round trip. */
const MAX_CONNECTIONS = 4;

/** How long a query may take; those of a service take some milliseconds. A connection that was so slow is given up. Milliseconds. */
const QUERY_MS = 20_000;

/**
 * node-postgres settings for one service's schema, to be given to Prisma's adapter:
 * `new PrismaPg(postgresPool(config.databaseUrl), { schema: 'image' })`. Fields instead of a connection string, which
 * the adapter would let override the rest. Unix sockets: `postgresql://user@localhost/db?host=/socket/dir`.
 */
export function postgresPool(databaseUrl: string, schema: string): PoolConfig {
  const parsed = parse(databaseUrl);
  return {
    host: parsed.host ?? undefined,
    port: parsed.port ? Number(parsed.port) : undefined,
    user: parsed.user,
    password: typeof parsed.password === 'string' ? parsed.password : undefined,
    database: parsed.database ?? undefined,
    ssl: parsed.ssl as PoolConfig['ssl'],
    options: `-c search_path=${schema}`,
    max: MAX_CONNECTIONS,
    idleTimeoutMillis: 0,
    connectionTimeoutMillis: 5_000,
    query_timeout: QUERY_MS,
    allowExitOnIdle: true,
  };
}
