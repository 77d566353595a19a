import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { startTimeOf } from '../host/processes.mjs';
import { cleanInstance } from './clean.mjs';
import { lockInstance } from './lock.mjs';
import { migrate } from './migrate.mjs';
import { claimDirectories, instanceNames } from './names.mjs';
import { privatePostgres } from './postgres.mjs';
import { privateRedis } from './redis.mjs';
import { Supervised } from './supervisor.mjs';

// Left out without root, which PostgreSQL's user and the run directory need.
const withRoot = process.getuid?.() === 0 ? describe : describe.skip;

withRoot('an instance with private databases', () => {
  let directory: string;
  let names: ReturnType<typeof instanceNames>;
  const running: Supervised[] = [];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-instance-'));
    chmodSync(directory, 0o755);
    names = instanceNames(
      { name: 'spec', runDir: join(directory, 'run'), dataRoot: join(directory, 'data') },
      {},
    );
    claimDirectories(names);
    for (const definition of [await privatePostgres(names), privateRedis(names)]) {
      const supervised = new Supervised(definition, {
        pidDirectory: join(names.runDir, 'pids'),
        log: () => {},
      });
      running.push(supervised);
      supervised.start();
    }
    await Promise.all(running.map((supervised) => supervised.ready()));
  }, 60_000);

  afterAll(async () => {
    await Promise.all(running.map((supervised) => supervised.stop()));
    await cleanInstance(names);
    rmSync(directory, { recursive: true, force: true });
  });

  async function query(sql: string) {
    const client = new Client({ connectionString: names.databaseUrl });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }

  function migration(schema: string, name: string, sql: string) {
    const folder = join(directory, 'migrations', schema);
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'migration.sql'), sql);
    return { [schema]: folder };
  }

  it('applies migrations once, each service in its own schema', async () => {
    const folders = {
      ...migration('a', '0001_init', 'create table t (id int)'),
      ...migration('b', '0001_init', 'create table t (name text)'),
    };
    expect(await migrate(names.databaseUrl, folders)).toEqual(['a/0001_init', 'b/0001_init']);
    expect(await migrate(names.databaseUrl, folders)).toEqual([]);
    migration('a', '0002_more', 'alter table t add column more int');
    expect(await migrate(names.databaseUrl, folders)).toEqual(['a/0002_more']);
    expect(await query('select migration_name from a._prisma_migrations order by 1')).toHaveLength(2);
  });

  it('leaves nothing of a migration that fails', async () => {
    const folders = migration('c', '0001_init', 'create table half (id int); select nothing_of_the_kind()');
    await expect(migrate(names.databaseUrl, folders)).rejects.toThrow('the migration c/0001_init failed');
    expect(await query(`select 1 from pg_tables where schemaname = 'c' and tablename = 'half'`)).toEqual([]);
  });

  it('refuses a migration that was edited after it had been applied', async () => {
    const folders = migration('d', '0001_init', 'create table t (id int)');
    await migrate(names.databaseUrl, folders);
    migration('d', '0001_init', 'create table t (id bigint)');
    await expect(migrate(names.databaseUrl, folders)).rejects.toThrow('edited');
  });

  it('lets two starts migrate at once', async () => {
    const folders = migration('e', '0001_init', 'create table t (id int)');
    const applied = await Promise.all([
      migrate(names.databaseUrl, folders),
      migrate(names.databaseUrl, folders),
    ]);
    expect(applied.flat()).toEqual(['e/0001_init']);
  });

  it('makes the database when there is none', async () => {
    const url = names.databaseUrl.replace('/spec?', '/other?');
    expect(await migrate(url, migration('f', '0001_init', 'select 1'))).toEqual(['f/0001_init']);
  });

  it('brings PostgreSQL back after SIGKILL with what was committed', async () => {
    const [postgres] = running;
    await query('create table kept (id int); insert into kept values (1)');
    await query('checkpoint');
    const killed = postgres?.kill();
    await postgres?.ready({ notPid: killed });
    expect(await query('select id from kept')).toEqual([{ id: 1 }]);
  }, 30_000);

  it('has one supervisor at a time', async () => {
    const lock = await lockInstance(names);
    await expect(lockInstance(names)).rejects.toThrow(`already running (process ${process.pid})`);
    lock.release();
    (await lockInstance(names)).release();
  });

  it('waits for the lock of a supervisor that is about to leave', async () => {
    const lock = await lockInstance(names);
    lock.leave();
    let taken = false;
    const next = lockInstance(names).then((other) => {
      taken = true;
      return other;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(false);
    lock.release();
    (await next).release();
  });

  it('frees the lock of a supervisor that was killed', async () => {
    const program = `import('${join(__dirname, 'lock.mjs')}').then(async ({ lockInstance }) => {
      await lockInstance(${JSON.stringify(names)}); process.send('locked'); setInterval(() => {}, 1e6); })`;
    const other = spawn(process.execPath, ['-e', program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await new Promise((resolve) => other.once('message', resolve));
    await expect(lockInstance(names)).rejects.toThrow(`already running (process ${other.pid})`);
    other.kill('SIGKILL');
    await new Promise((resolve) => other.once('exit', resolve));
    expect(startTimeOf(other.pid ?? 0)).toBeUndefined();
    (await lockInstance(names)).release();
    expect(readFileSync(join(names.runDir, 'instance.json'), 'utf8')).toContain('spec');
  });
});
