// Applies the services' migrations. Each service owns one Postgres schema; Prisma's own table and checksums are kept in
// it, so that Prisma's CLI agrees with what is found. Alone: DATABASE_URL=... node scripts/instance/migrate.mjs
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../workspace/root.mjs';
import { SERVICES_WITH_TABLES, StartError, instanceNames } from './names.mjs';

// The key that Prisma's CLI takes, so that the two exclude each other.
const ADVISORY_LOCK = 72707369;

const HISTORY_TABLE = `create table if not exists _prisma_migrations (
  id varchar(36) primary key,
  checksum varchar(64) not null,
  finished_at timestamptz,
  migration_name varchar(255) not null,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz not null default now(),
  applied_steps_count integer not null default 0
)`;

/**
 * Makes the database if there is none and applies what has not been applied.
 * @param {string} databaseUrl
 * @param {Record<string, string>} [folders] Postgres schema to its directory of migrations
 * @returns {Promise<string[]>} the migrations applied now, as `schema/name`
 * @throws {StartError} when an applied migration was edited or one fails
 */
export async function migrate(databaseUrl, folders = migrationFolders()) {
  const { default: pg } = await import('pg');
  const client = await connect(pg, databaseUrl);
  const applied = [];
  try {
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK]);
    for (const [schema, folder] of Object.entries(folders)) {
      applied.push(...(await migrateSchema(client, schema, folder)));
    }
  } finally {
    await client.end();
  }
  return applied;
}

function migrationFolders() {
  const folders = {};
  for (const service of SERVICES_WITH_TABLES) {
    const folder = join(root, 'apps', service, 'prisma', 'migrations');
    if (existsSync(folder)) folders[service.replace('-service', '')] = folder;
  }
  return folders;
}

async function migrateSchema(client, schema, folder) {
  await client.query(`create schema if not exists "${schema}"`);
  await client.query(`set search_path to "${schema}"`);
  await client.query(HISTORY_TABLE);
  const { rows } = await client.query(
    'select migration_name, checksum, finished_at from _prisma_migrations where rolled_back_at is null',
  );
  const history = new Map(rows.map((row) => [row.migration_name, row]));
  const applied = [];
  for (const name of migrationsIn(folder)) {
    const sql = readFileSync(join(folder, name, 'migration.sql'), 'utf8');
    const checksum = createHash('sha256').update(sql).digest('hex');
    const earlier = history.get(name);
    if (!earlier) {
      await applyOne(client, `${schema}/${name}`, { name, sql, checksum });
      applied.push(`${schema}/${name}`);
    } else if (!earlier.finished_at) {
      throw new StartError(`the migration ${schema}/${name} failed earlier and was not resolved`);
    } else if (earlier.checksum !== checksum) {
      throw new StartError(`the migration ${schema}/${name} was edited after it had been applied`);
    }
  }
  return applied;
}

function migrationsIn(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function applyOne(client, title, { name, sql, checksum }) {
  await client.query('begin');
  try {
    await client.query(sql);
    await client.query(
      `insert into _prisma_migrations (id, checksum, finished_at, migration_name, applied_steps_count)
       values ($1, $2, now(), $3, 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw new StartError(`the migration ${title} failed: ${error.message}`);
  }
}

async function connect(pg, databaseUrl) {
  try {
    return await open(pg, databaseUrl);
  } catch (error) {
    const noSuchDatabase = error.code === '3D000';
    if (!noSuchDatabase) throw new StartError(`PostgreSQL does not answer: ${error.message}`);
  }
  const url = new URL(databaseUrl);
  const database = decodeURIComponent(url.pathname.slice(1));
  url.pathname = '/postgres';
  const admin = await open(pg, url.href);
  try {
    await admin.query(`create database ${admin.escapeIdentifier(database)}`);
  } catch (error) {
    const madeMeanwhile = error.code === '42P04' || error.code === '23505';
    if (!madeMeanwhile) throw error;
  } finally {
    await admin.end();
  }
  return open(pg, databaseUrl);
}

async function open(pg, connectionString) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

async function migrateFromCommandLine() {
  try {
    const applied = await migrate(instanceNames().databaseUrl);
    for (const migration of applied) process.stdout.write(`applied ${migration}\n`);
    if (applied.length === 0) process.stdout.write('nothing to apply\n');
  } catch (error) {
    process.stderr.write(`${error instanceof StartError ? `gantry: ${error.message}` : error.stack}\n`);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) void migrateFromCommandLine();
