import { readFileSync } from 'node:fs';

/**
 * @param {string} user
 * @returns {{uid: number, gid: number} | undefined} from /etc/passwd (passwd(5))
 */
export function accountOf(user) {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((row) => row.startsWith(`${user}:`));
  if (!line) return undefined;
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
