import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';

/**
 * Makes way for a unix socket: a stale one is removed. @throws Error where something answers on it, or where the path is
 * something else than a socket.
 */
export async function clearSocketPath(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) throw new Error(`${path} exists and is not a socket`);
  if (await answers(path)) throw new Error(`${path} is in use: another engine answers there`);
  rmSync(path, { force: true });
}

/** The API socket is root's own power: for root and one group only. */
export function guardSocket(path: string, group: string): void {
  chmodSync(path, 0o660);
  const gid = groupId(group);
  if (gid !== undefined) chownSync(path, 0, gid);
}

/** group(5): name:password:gid:members. undefined where there is no such group. */
function groupId(group: string): number | undefined {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${group}:`));
  const gid = Number(line?.split(':')[2]);
  return line === undefined || Number.isNaN(gid) ? undefined : gid;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
