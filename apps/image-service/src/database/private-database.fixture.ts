import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';

export interface PrivateDatabase {
  url: string;
  stop(): Promise<void>;
}

const DEBIAN_VERSIONS = '/usr/lib/postgresql';

/** A PostgreSQL of the test's own with this service's schema in it; undefined where none is installed. */
export async function startPrivateDatabase(): Promise<PrivateDatabase | undefined> {
  const binaries = findBinaries();
  if (!binaries) return undefined;
  const directory = mkdtempSync(join(tmpdir(), 'image-pg-'));
  const account = { uid: idOf('-u'), gid: idOf('-g') };
  chmodSync(directory, 0o755);
  const data = join(directory, 'data');
  mkdirSync(data, { mode: 0o700 });
  chownSync(data, account.uid, account.gid);
  const options = { ...account, cwd: data, stdio: 'ignore' as const };
  execFileSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '--locale=C', '-N'],
    options,
  );
  const settings = ['-c', 'listen_addresses=', '-c', `unix_socket_directories=${data}`, '-c', 'fsync=off'];
  const server = spawn(join(binaries, 'postgres'), ['-D', data, ...settings], options);
  const url = `postgresql://postgres@localhost/postgres?host=${data}`;
  await migrate(url);
  return {
    url,
    stop: async () => {
      await ended(server);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function findBinaries(): string | undefined {
  try {
    const [version] = readdirSync(DEBIAN_VERSIONS).sort((a, b) => Number(b) - Number(a));
    return version && join(DEBIAN_VERSIONS, version, 'bin');
  } catch {
    return undefined;
  }
}

const idOf = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));

async function migrate(url: string): Promise<void> {
  const client = await connected(url, Date.now() + 20_000);
  await client.query('CREATE SCHEMA image; SET search_path TO image');
  const migrations = join(__dirname, '../../prisma/migrations');
  for (const name of readdirSync(migrations).sort()) {
    await client.query(readFileSync(join(migrations, name, 'migration.sql'), 'utf8'));
  }
  await client.end();
}

async function connected(url: string, deadline: number): Promise<Client> {
  for (;;) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function ended(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    server.once('exit', () => resolve());
    server.kill('SIGINT');
  });
}
