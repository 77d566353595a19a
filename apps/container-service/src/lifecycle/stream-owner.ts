import { chownSync, statSync } from 'node:fs';
import { idOnHost, type IdMapping, type Owner } from '@gantry/shared/linux';

/** Who a process of a container is on the host; undefined where its ids are the host's, or the mapping has none for it. */
export function hostOwner(mapping: IdMapping | undefined, user: Owner): Owner | undefined {
  if (!mapping) return undefined;
  const [uid, gid] = [idOnHost(mapping.uids, user.uid), idOnHost(mapping.gids, user.gid)];
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/**
 * Makes the pipes that a process was given its own, so that it can open /dev/stdout: runtimes try to, but the root of a user
 * namespace may not. `pid`: made, not yet begun.
 */
export function giveStreams(pid: number, owner: Owner): void {
  for (const fd of [0, 1, 2]) {
    const stream = `/proc/${pid}/fd/${fd}`;
    if (statSync(stream).isFIFO()) chownSync(stream, owner.uid, owner.gid);
  }
}
