import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { api, docker, dockerHost, instance } from '../support/engine';
import { dockerEnvironment } from '../support/docker-cli';
import { freshName } from '../support/containers';
import { eventually } from '../support/eventually';
import { POSTGRES_DATA, postgresRootfs } from '../support/postgres-image';

/** `npm run test:postgres` sets it to 20. */
const ROUNDS = Number(process.env['POSTGRES_ROUNDS'] ?? 2);
const IMAGE = 'gantry-test-postgres';

/**
 * PostgreSQL on a named volume. Each round a container is made, everything that any earlier one confirmed has to be there,
 * and then it is killed in the middle of writing, and removed.
 */
describe('a database on a named volume', () => {
  jest.setTimeout(60_000 + ROUNDS * 30_000);
  const volume = freshName('postgres');
  const container = freshName('database');
  afterAll(async () => {
    await docker(['rm', '-f', container]);
    await docker(['volume', 'rm', '-f', volume]);
    await docker(['rmi', '-f', IMAGE]);
  });

  it(`is killed, removed and made again ${ROUNDS} times with all its data`, async () => {
    const imported = await api.post(`/images/create?fromSrc=-&repo=${IMAGE}&tag=latest`, postgresRootfs());
    expect(imported.text).not.toContain('errorDetail');
    const confirmed: string[] = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      await run();
      await query('CREATE TABLE IF NOT EXISTS numbers (round int, n int, filling text)');
      const found = new Set((await query('SELECT round, n FROM numbers')).split('\n'));
      expect(confirmed.filter((row) => !found.has(row))).toEqual([]);
      // Every page of the table and its index can be read.
      expect(await query('SELECT count(filling) = count(*) FROM numbers')).toBe('t');
      const rows = await writeUntilKilled(round);
      expect(rows.length).toBeGreaterThanOrEqual(100);
      confirmed.push(...rows);
      await docker(['rm', container]);
    }
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(
      join(instance.dataRoot, 'volumes', volume),
    );
  });

  async function run(): Promise<void> {
    const started = await docker([
      ...['run', '-d', '--name', container, '--network', 'none', '--user', 'postgres'],
      ...['-v', `${volume}:${POSTGRES_DATA}`, IMAGE, '/bin/run-postgres'],
    ]);
    expect(started).toMatchObject({ code: 0 });
    await eventually(() => query('SELECT 1'), 60_000);
  }

  const psql = ['psql', '-qAtX', '-F', ' ', '-h', '/tmp', '-U', 'postgres'];
  const program = (interactive: boolean) => [
    'exec',
    ...(interactive ? ['-i'] : []),
    ...['-e', 'LC_ALL=C', '-e', 'PATH=/bin:/usr/bin', container, 'sh', '-c'],
    'exec /usr/lib/postgresql/*/bin/"$@"',
    'sh',
  ];

  async function query(statement: string): Promise<string> {
    const { code, stdout, stderr } = await docker([...program(false), ...psql, '-c', statement]);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  }

  /** What the database has confirmed, as `round n`. Each insert is a transaction of its own. */
  async function writeUntilKilled(round: number): Promise<string[]> {
    const client = spawn('docker', [...program(true), ...psql], { env: dockerEnvironment(dockerHost) });
    const ended = once(client, 'close');
    client.stdin.on('error', () => {}); // the database is gone before it has taken all
    const inserts = Array.from(
      { length: 100_000 },
      (_, n) => `INSERT INTO numbers VALUES (${round}, ${n}, repeat('${n % 10}', 500)) RETURNING round, n;\n`,
    );
    client.stdin.end(inserts.join(''));
    let output = '';
    client.stdout.on('data', (part: Buffer) => (output += part.toString()));
    await eventually(() => expect(output.split('\n').length).toBeGreaterThan(100));
    await docker(['kill', container]);
    await ended;
    // The last line may be half of one.
    return output.split('\n').slice(0, -1);
  }
});
