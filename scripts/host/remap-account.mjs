// `GANTRY_USERNS_REMAP=default`: the account whose ids users of containers have on the host, as dockerd makes it.
import { existsSync, readFileSync } from 'node:fs';
import { accountOf } from './accounts.mjs';
import { findProgram, output } from './programs.mjs';

const ACCOUNT = 'dockremap';
/** The first that dockerd gives, and how many. */
const FIRST = 100_000;
const COUNT = 65_536;

/** @returns {import('./requirements.mjs').Finding[]} */
export function remapAccount() {
  if (process.env.GANTRY_USERNS_REMAP !== 'default') return [];
  const name = ACCOUNT;
  const lacking = ['subuid', 'subgid'].filter(
    (file) => rangesIn(readIfThere(`/etc/${file}`), ACCOUNT).length === 0,
  );
  if (accountOf(ACCOUNT) && lacking.length === 0)
    return [{ name, state: 'ok', detail: 'its lines are there' }];
  if (findProgram('useradd') === undefined || findProgram('usermod') === undefined) {
    return [{ name, state: 'missing', detail: 'neither the account nor useradd and usermod' }];
  }
  return [{ name, state: 'prepare', detail: 'make the account with ranges in /etc/subuid and /etc/subgid' }];
}

/** @returns {Promise<string>} what was done */
export async function makeRemapAccount() {
  if (!accountOf(ACCOUNT)) {
    await output('useradd', [
      '--system',
      '--user-group',
      '--no-create-home',
      '--shell',
      '/bin/false',
      ACCOUNT,
    ]);
  }
  for (const [file, flag] of [
    ['/etc/subuid', '--add-subuids'],
    ['/etc/subgid', '--add-subgids'],
  ]) {
    const text = readIfThere(file);
    if (rangesIn(text, ACCOUNT).length > 0) continue;
    const first = firstFree(rangesIn(text));
    await output('usermod', [flag, `${first}-${first + COUNT - 1}`, ACCOUNT]);
  }
  return `made the account ${ACCOUNT} with ranges in /etc/subuid and /etc/subgid`;
}

/**
 * Behind all that others have, as dockerd looks for it.
 * @param {{first: number, count: number}[]} ranges
 */
export function firstFree(ranges) {
  return Math.max(FIRST, ...ranges.map(({ first, count }) => first + count));
}

/**
 * @param {string} text of /etc/subuid (subuid(5))
 * @param {string} [owner] anybody’s without it
 */
export function rangesIn(text, owner) {
  return text.split('\n').flatMap((line) => {
    const [name, first, count] = line.split(':');
    if (!/^\d+$/.test(first ?? '') || !/^\d+$/.test(count ?? '')) return [];
    return owner === undefined || name === owner ? [{ first: Number(first), count: Number(count) }] : [];
  });
}

const readIfThere = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
