/** One line of /proc/<pid>/uid_map: `size` ids from `container` on are those of the host from `host` on. */
export interface IdRange {
  container: number;
  host: number;
  size: number;
}

/** Which ids of the host the users and groups of a user namespace are (user_namespaces(7)). */
export interface IdMapping {
  uids: IdRange[];
  gids: IdRange[];
}

export interface Owner {
  uid: number;
  gid: number;
}

/** What the kernel shows for an id that a namespace has no name for. */
const OVERFLOW_ID = 65534;

/** The id on the host; undefined where the namespace has no such id. */
export function idOnHost(ranges: IdRange[], id: number): number | undefined {
  const range = ranges.find(({ container, size }) => id >= container && id < container + size);
  return range && range.host + (id - range.container);
}

/** The id inside the namespace, 65534 where it has none. */
export function idInside(ranges: IdRange[], id: number): number {
  const range = ranges.find(({ host, size }) => id >= host && id < host + size);
  return range ? range.container + (id - range.host) : OVERFLOW_ID;
}

/** Who root of the namespace is on the host. @throws RangeError where it has none */
export function rootOf(mapping: IdMapping): Owner {
  const [uid, gid] = [idOnHost(mapping.uids, 0), idOnHost(mapping.gids, 0)];
  if (uid === undefined || gid === undefined) throw new RangeError('the mapping has no root');
  return { uid, gid };
}

/** As /proc/<pid>/uid_map takes it. */
export function mapText(ranges: IdRange[]): string {
  return ranges.map(({ container, host, size }) => `${container} ${host} ${size}\n`).join('');
}
