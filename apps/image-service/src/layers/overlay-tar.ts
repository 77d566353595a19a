import { closeSync, constants, openSync, readSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { FileStatus, Linux } from '@gantry/shared/linux';
import {
  type TarEntry,
  type TarEntryType,
  END_OF_ARCHIVE,
  encodeHeader,
  newEntry,
  tarPadding,
} from '@gantry/shared/tar';
import { OPAQUE_NAME, OPAQUE_XATTR, OVERLAY_XATTR_PREFIXES, whiteoutName } from './whiteout';

const AT_FDCWD = -100;
const READ_SIZE = 1024 * 1024;
const SMALL = 4 * 1024;
const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } = constants;

const TYPES = new Map<number, TarEntryType>([
  [S_IFREG, 'file'],
  [S_IFDIR, 'directory'],
  [S_IFLNK, 'symlink'],
  [S_IFCHR, 'character'],
  [S_IFBLK, 'block'],
  [S_IFIFO, 'fifo'],
]);

/**
 * The upper directory of an overlay as a layer archive: names in order, removed files as whiteouts. Sockets are left out
 * as dockerd does. The same directory gives the same bytes. A buffer is good until the next one is asked for.
 */
export function* tarOfUpper(linux: Pick<Linux, 'files'>, upper: string): Generator<Buffer> {
  yield* directory({ linux, upper, seen: new Map() }, '');
  yield END_OF_ARCHIVE;
}

interface Walk {
  linux: Pick<Linux, 'files'>;
  upper: string;
  /** Names of files that have several, by inode. */
  seen: Map<bigint, string>;
  /** One for all large files: making them costs as much as reading. */
  buffer?: Buffer;
}

function* directory(walk: Walk, path: string): Generator<Buffer> {
  const { linux, upper } = walk;
  if (linux.files.getXattr(join(upper, path), OPAQUE_XATTR)?.toString() === 'y') {
    yield encodeHeader(newEntry(join(path, OPAQUE_NAME), 'file', 0, 0o600));
  }
  for (const name of readdirSync(join(upper, path)).sort()) {
    const status = linux.files.statAt(AT_FDCWD, join(upper, path, name));
    if (status) yield* member(walk, path, name, status);
  }
}

function* member(walk: Walk, parent: string, name: string, status: FileStatus): Generator<Buffer> {
  const { linux, upper, seen } = walk;
  const path = join(parent, name);
  const type = TYPES.get(status.mode & S_IFMT);
  if (!type) return;
  if (isWhiteout(status)) {
    yield encodeHeader(newEntry(join(parent, whiteoutName(name)), 'file', 0, 0o600));
    return;
  }
  const entry = describe(linux, join(upper, path), type === 'directory' ? `${path}/` : path, type, status);
  if (type === 'file' && status.links > 1) {
    const first = seen.get(status.inode);
    if (first !== undefined) {
      yield encodeHeader({ ...entry, type: 'link', size: 0, linkName: first, xattrs: new Map() });
      return;
    }
    seen.set(status.inode, path);
  }
  yield encodeHeader(entry);
  if (type === 'file') yield* content(walk, join(upper, path), status.size);
  if (type === 'directory') yield* directory(walk, path);
}

export function isWhiteout(status: FileStatus): boolean {
  return (status.mode & S_IFMT) === S_IFCHR && status.major === 0 && status.minor === 0;
}

function describe(
  linux: Pick<Linux, 'files'>,
  full: string,
  name: string,
  type: TarEntryType,
  status: FileStatus,
): TarEntry {
  const xattrs = new Map<string, Buffer>();
  for (const attribute of linux.files.listXattrs(full)) {
    if (OVERLAY_XATTR_PREFIXES.some((prefix) => attribute.startsWith(prefix))) continue;
    const value = linux.files.getXattr(full, attribute);
    if (value) xattrs.set(attribute, value);
  }
  return {
    name,
    type,
    mode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
    size: type === 'file' ? status.size : 0,
    mtime: status.mtime,
    linkName: type === 'symlink' ? readlinkSync(full) : '',
    major: type === 'character' || type === 'block' ? status.major : 0,
    minor: type === 'character' || type === 'block' ? status.minor : 0,
    xattrs,
  };
}

/** Exactly `size` bytes: a file that shrinks meanwhile is filled up with zeros. */
function* content(walk: Walk, path: string, size: number): Generator<Buffer> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const isSmall = size <= SMALL;
    const buffer = isSmall ? Buffer.allocUnsafe(size) : (walk.buffer ??= Buffer.allocUnsafeSlow(READ_SIZE));
    for (let left = size; left > 0;) {
      const wanted = Math.min(READ_SIZE, left);
      const length = readSync(fd, buffer, 0, wanted, null);
      if (length === 0) buffer.fill(0, 0, wanted);
      const used = length === 0 ? wanted : length;
      left -= used;
      yield buffer.subarray(0, used);
    }
  } finally {
    closeSync(fd);
  }
  yield tarPadding(size);
}
