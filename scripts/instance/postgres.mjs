// A private PostgreSQL: Debian's binaries, started directly, reachable through a unix socket by root alone.
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { findPostgres } from '../host/programs.mjs';
import { accountOf } from '../host/accounts.mjs';
import { StartError } from './names.mjs';

// Small and quick. A crash loses at most three times the WAL writer's delay of commits, never consistency; and what is
// kept here is an index that is reconciled with disk and kernel.
const SETTINGS = {
  listen_addresses: '',
  shared_buffers: '32MB',
  synchronous_commit: 'off',
  wal_writer_delay: '50ms',
  max_connections: '60',
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  max_parallel_workers: '0',
  max_logical_replication_workers: '0',
  max_wal_senders: '0',
  // Without slots a checkpoint needs no new file: one that a full disk fails would end the server, and every start of it.
  max_replication_slots: '0',
  wal_level: 'minimal',
  max_wal_size: '128MB',
  // The level LOG, which every start and stop writes, is just below.
  log_min_messages: 'fatal',
  log_line_prefix: '',
  log_destination: 'stderr',
  logging_collector: 'off',
};

/**
 * Makes the cluster when there is none yet.
 * @param {import('./names.mjs').InstanceNames} names
 * @returns {Promise<import('./supervisor.mjs').Definition>}
 */
export async function privatePostgres(names) {
  const data = join(names.dataRoot, 'postgres');
  const sockets = join(names.runDir, 'postgres');
  const account = accountOf('postgres');
  if (!account) throw new StartError('no user postgres on this host: it comes with the package postgresql');
  const version = existsSync(join(data, 'PG_VERSION'))
    ? readFileSync(join(data, 'PG_VERSION'), 'utf8').trim()
    : undefined;
  const binaries = findPostgres(version);
  if (!binaries)
    throw new StartError(`${data} was made by PostgreSQL ${version}: install postgresql-${version}`);
  for (const directory of [names.dataRoot, names.runDir]) refuseClosedDirectory(directory);

  mkdirSync(sockets, { recursive: true });
  chownSync(sockets, account.uid, account.gid);
  chmodSync(sockets, 0o700);
  if (version === undefined) await makeCluster(binaries, data, { account, database: names.name });

  return {
    name: 'postgres',
    // Fast shutdown: open transactions are rolled back.
    stopSignal: 'SIGINT',
    start: () => {
      removeStalePidFile(data);
      const settings = { ...SETTINGS, unix_socket_directories: sockets };
      const args = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
      return spawn(join(binaries, 'postgres'), ['-D', data, ...args], {
        ...account,
        cwd: data,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { LC_ALL: 'C', PATH: process.env.PATH },
      });
    },
    isReady: async (child) => readsReady(data, child.pid),
  };
}

// Made aside and renamed, so that a start that is killed half-way leaves nothing that looks like a cluster.
async function makeCluster(binaries, data, { account, database }) {
  const unfinished = `${data}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  rmSync(data, { recursive: true, force: true });
  mkdirSync(unfinished, { mode: 0o700 });
  chownSync(unfinished, account.uid, account.gid);
  const runAs = (program, args, input) =>
    runToEnd(join(binaries, program), args, { account, cwd: unfinished, input });
  await runAs('initdb', [
    '-D',
    unfinished,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
  ]);
  await runAs('postgres', ['--single', '-D', unfinished, 'postgres'], `create database "${database}"\n`);
  renameSync(unfinished, data);
}

async function runToEnd(program, args, { account, cwd, input = '' }) {
  const env = { LC_ALL: 'C', PATH: process.env.PATH };
  const child = spawn(program, args, { ...account, cwd, env, stdio: ['pipe', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  child.stdin.end(input);
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new StartError(`${program} failed: ${errors.trim().replaceAll('\n', '; ')}`);
}

// postmaster.pid outlives a crash of the host; PostgreSQL refuses to start when its number was given to another process.
function removeStalePidFile(data) {
  const [pid] = postmasterFile(data);
  if (pid === undefined) return;
  let args = '';
  try {
    args = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // No such process.
  }
  if (!args.includes(data)) rmSync(join(data, 'postmaster.pid'), { force: true });
}

// Line 8 of postmaster.pid is the server's state (PostgreSQL's miscadmin.h).
function readsReady(data, pid) {
  const lines = postmasterFile(data);
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

function postmasterFile(data) {
  try {
    return readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return [];
  }
}

function refuseClosedDirectory(directory) {
  for (let path = directory; path !== '/'; path = dirname(path)) {
    if ((statSync(path).mode & 0o001) === 0) {
      throw new StartError(`the user postgres cannot enter ${path}, which is on the way to ${directory}`);
    }
  }
}
