import { closeSync, constants, readFileSync } from 'node:fs';
import { invalidArgument } from '../errors';
import type { Paths } from '../linux';

export interface ContainerUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  home: string;
}

interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface GroupEntry {
  name: string;
  gid: number;
  members: string[];
}

/** Ids in the files of an image may be anything; the kernel's are below this. */
const MAX_ID = 0x7fffffff;

/**
 * `user[:group]`, each a name or a number, looked up in the container's own /etc/passwd and /etc/group, with the
 * supplementary groups of `--group-add`. Errors as Docker words them.
 */
export function resolveUser(
  paths: Pick<Paths, 'openInRoot'>,
  rootfs: string,
  spec: string,
  groupAdd: readonly string[] | null,
): ContainerUser {
  const [userPart = '', groupPart = ''] = splitOnce(spec, ':');
  const passwd = parsePasswd(readInRoot(paths, rootfs, '/etc/passwd'));
  const groups = parseGroup(readInRoot(paths, rootfs, '/etc/group'));

  const wanted = userPart === '' ? '0' : userPart;
  const entry =
    passwd.find((line) => line.name === wanted) ?? passwd.find((line) => line.uid === idOf(wanted));
  const uid = entry?.uid ?? idOf(wanted);
  if (uid === undefined) refuseNumber(wanted);
  if (uid === undefined)
    throw invalidArgument(`unable to find user ${userPart}: no matching entries in passwd file`);

  let gid = entry?.gid ?? 0;
  let additionalGids: number[] = [];
  if (groupPart !== '') {
    gid = groupId(groups, groupPart);
  } else if (entry) {
    additionalGids = groups.filter((group) => group.members.includes(entry.name)).map((group) => group.gid);
  }
  additionalGids.push(...(groupAdd ?? []).map((group) => groupId(groups, group)));
  return { uid, gid, additionalGids: [...new Set([gid, ...additionalGids])], home: entry?.home || '/' };
}

/** What is a number and no id. */
function refuseNumber(text: string): void {
  if (/^-?\d+$/.test(text)) throw invalidArgument(`uids and gids must be in range 0-${MAX_ID}`);
}

function groupId(groups: GroupEntry[], wanted: string): number {
  const found = groups.find((group) => group.name === wanted)?.gid ?? idOf(wanted);
  if (found === undefined) {
    refuseNumber(wanted);
    throw invalidArgument(`unable to find group ${wanted}: no matching entries in group file`);
  }
  return found;
}

function idOf(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}

function parsePasswd(text: string): PasswdEntry[] {
  return lines(text).flatMap(([name = '', , uid = '', gid = '', , home = '']) => {
    const ids = [idOf(uid), idOf(gid)];
    return ids[0] === undefined || ids[1] === undefined ? [] : [{ name, uid: ids[0], gid: ids[1], home }];
  });
}

function parseGroup(text: string): GroupEntry[] {
  return lines(text).flatMap(([name = '', , gid = '', members = '']) => {
    const id = idOf(gid);
    return id === undefined ? [] : [{ name, gid: id, members: members.split(',').filter(Boolean) }];
  });
}

function lines(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':').map((field) => field.trim()));
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

/** Empty where the image has no such file. */
function readInRoot(paths: Pick<Paths, 'openInRoot'>, rootfs: string, path: string): string {
  let fd: number;
  try {
    fd = paths.openInRoot(rootfs, path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return '';
  }
  try {
    return readFileSync(fd, 'utf8');
  } catch {
    return '';
  } finally {
    closeSync(fd);
  }
}
