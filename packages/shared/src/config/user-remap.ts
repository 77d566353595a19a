import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IdMapping, IdRange } from '../linux/id-mapping';
import { mapText } from '../linux/id-mapping';

/** The users and groups of containers are those of a range on the host (dockerd's `--userns-remap`, ADR 0024). */
export interface UserRemap {
  mapping: IdMapping;
  /** Where the services keep what depends on the mapping; another mapping has another. Gone at reboot. */
  directory: string;
  /** The kept user namespace of all containers, which network-service makes. */
  namespace: string;
}

/** Whom dockerd takes ids from for `default`. */
const DEFAULT_USER = 'dockremap';
/** The kernel takes no more lines (user_namespaces(7)). */
const MAX_RANGES = 340;

/**
 * `setting`: `default`, or `user[:group]` by name or number; the ranges are those of /etc/subuid and /etc/subgid. Or
 * `first+count`: those ids of the host, whoever has them.
 * @throws Error that says what is missing
 */
export function loadUserRemap(setting: string, runDir: string, etc = '/etc'): UserRemap {
  const mapping = rangeOf(setting) ?? mappingOf(setting, etc);
  const key = createHash('sha256')
    .update(`${mapText(mapping.uids)}:${mapText(mapping.gids)}`)
    .digest('hex');
  const directory = join(runDir, 'remapped', key.slice(0, 12));
  return { mapping, directory, namespace: join(directory, 'user') };
}

function rangeOf(setting: string): IdMapping | undefined {
  const [, host, size] = /^([1-9][0-9]{0,9})\+([1-9][0-9]{0,9})$/.exec(setting) ?? [];
  if (host === undefined) return undefined;
  const ranges = [{ container: 0, host: Number(host), size: Number(size) }];
  return { uids: ranges, gids: ranges };
}

function mappingOf(setting: string, etc: string): IdMapping {
  const named = setting === 'default' ? DEFAULT_USER : setting;
  const [user = '', group = user, ...more] = named.split(':');
  if (user === '' || group === '' || more.length > 0) {
    throw new Error(`invalid user and group: ${setting} (default, user[:group] or first+count)`);
  }
  return {
    uids: rangesOf(join(etc, 'subuid'), user, join(etc, 'passwd'), 'subuid'),
    gids: rangesOf(join(etc, 'subgid'), group, join(etc, 'group'), 'subgid'),
  };
}

/** All ranges that a name has, in order of their first ids, become one row of ids from 0 on, as in dockerd. */
function rangesOf(file: string, name: string, accounts: string, kind: string): IdRange[] {
  const names = namesOf(accounts, name);
  const owned = linesOf(file)
    .map(([owner = '', first, count]) => ({ owner, host: Number(first), size: Number(count) }))
    .filter(({ owner, host, size }) => names.has(owner) && Number.isInteger(host) && size > 0)
    .sort((a, b) => a.host - b.host);
  if (owned.length === 0)
    throw new Error(`no ${kind} ranges found for "${name}": ${file} needs a line of it`);
  if (owned.length > MAX_RANGES) throw new Error(`"${name}" has more than ${MAX_RANGES} ranges in ${file}`);
  let container = 0;
  return owned.map(({ host, size }) => {
    const range = { container, host, size };
    container += size;
    return range;
  });
}

/** An account by its name and its number: either may be in the files of ranges. */
function namesOf(accounts: string, name: string): Set<string> {
  const entry = linesOf(accounts).find(([known, , id]) => known === name || id === name);
  return new Set([name, ...(entry ? [entry[0] ?? name, entry[2] ?? name] : [])]);
}

function linesOf(file: string): string[][] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(':'));
}
