// A private Redis, reachable through a unix socket by root alone.
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { accountOf } from '../host/accounts.mjs';
import { findProgram } from '../host/programs.mjs';

// What Redis writes at every start and stop even at its highest log level.
const ROUTINE =
  /Redis is starting|Redis version=|Configuration loaded|Server initialized|overcommit|signal-handler|User requested shutdown|ready to exit/;

/**
 * @param {import('./names.mjs').InstanceNames} names
 * @returns {import('./supervisor.mjs').Definition}
 */
export function privateRedis(names) {
  const account = accountOf('redis') ?? { uid: 0, gid: 0 };
  const data = join(names.dataRoot, 'redis');
  // Redis makes its socket itself and may not write to the run directory: the well-known path is a link.
  const sockets = join(names.runDir, 'redis');
  const socket = join(sockets, 'redis.sock');
  for (const directory of [data, sockets]) {
    mkdirSync(directory, { recursive: true });
    chownSync(directory, account.uid, account.gid);
    chmodSync(directory, 0o700);
  }
  const link = join(names.runDir, 'redis.sock');
  rmSync(link, { force: true });
  symlinkSync('redis/redis.sock', link);

  // `noeviction` because queues and streams are not a cache.
  const settings = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir: data,
    appendonly: 'yes',
    save: '',
    'maxmemory-policy': 'noeviction',
    loglevel: 'warning',
  };
  return {
    name: 'redis',
    stopSignal: 'SIGTERM',
    routine: ROUTINE,
    start: () => {
      const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
      return spawn(findProgram('redis-server') ?? 'redis-server', args, {
        ...account,
        cwd: data,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { LC_ALL: 'C', PATH: process.env.PATH },
      });
    },
    isReady: () => answersPing(socket),
  };
}

/**
 * Whether a Redis answers PONG on the socket; one that is still loading its file answers -LOADING.
 * @param {string} socket
 * @returns {Promise<boolean>}
 */
function answersPing(socket) {
  return new Promise((resolve) => {
    const connection = createConnection(socket);
    connection.setTimeout(1000, () => finish(false));
    connection.on('error', () => finish(false));
    connection.on('connect', () => connection.write('PING\r\n'));
    connection.on('data', (reply) => finish(reply.toString().startsWith('+PONG')));
    const finish = (ready) => {
      connection.destroy();
      resolve(ready);
    };
  });
}
