import { closeSync, constants, fstatSync, readdirSync } from 'node:fs';
import { read } from 'node:fs';
import { promisify } from 'node:util';
import { hasCode, idInside, type FileStatus, type Files, type IdMapping, type Owner } from '../linux';
import { encodeHeader, END_OF_ARCHIVE, newEntry, tarPadding, type TarEntryType } from '../tar';

const readAsync = promisify(read);
const { O_RDONLY, O_DIRECTORY, O_NONBLOCK, S_IFMT, S_IFREG, S_IFDIR, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO } =
  constants;

/** Pieces that go out are about this large. */
const PIECE = 256 * 1024;
/** Sockets are nothing an archive can hold. */
const TYPES: Record<number, TarEntryType> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'directory',
  [S_IFLNK]: 'symlink',
  [S_IFBLK]: 'block',
  [S_IFCHR]: 'character',
  [S_IFIFO]: 'fifo',
};
const isKeptXattr = (name: string): boolean => name === 'security.capability' || name.startsWith('user.');

interface Place {
  directory: number;
  name: string;
  /** In the archive. */
  entryName: string;
}

export interface PackOptions {
  /** Which extended attributes go into the archive. Default: capabilities and those of users. */
  keeps?: (attribute: string) => boolean;
  /** Whose the owners are on this host: in the archive they are named as inside. */
  mapping?: IdMapping;
  /** Devices of file systems that are met as empty directories, unless the archive begins on one. */
  leavesOut?: ReadonlySet<bigint>;
}

/**
 * Makes a tar archive of files, reading them by descriptors of their directories so that nobody can lead it elsewhere:
 * numeric owners, hard links among what is packed, extended attributes, times to the nanosecond.
 */
export class TreePacker {
  private readonly linked = new Map<string, string>();
  private parts: Buffer[] = [];
  private size = 0;
  /** The device on which the archive begins. */
  private start?: bigint;

  constructor(
    private readonly files: Files,
    private readonly options: PackOptions = {},
  ) {}

  /** One file, symlink ... or a directory with all that is in it, under the name `entryName`. */
  async *packEntry(directory: number, name: string, entryName: string): AsyncGenerator<Buffer> {
    this.start = this.files.statAt(directory, name)?.device;
    yield* this.entry({ directory, name, entryName });
    yield* this.end();
  }

  /** What is in an open directory, under names that begin with `prefix`. */
  async *packContents(directory: number, prefix: string): AsyncGenerator<Buffer> {
    yield* this.contents(directory, prefix);
    yield* this.end();
  }

  private async *end(): AsyncGenerator<Buffer> {
    this.add(END_OF_ARCHIVE);
    yield this.flush();
  }

  private async *contents(directory: number, prefix: string): AsyncGenerator<Buffer> {
    for (const name of readdirSync(`/proc/self/fd/${directory}`).sort()) {
      yield* this.entry({ directory, name, entryName: prefix + name });
    }
  }

  private async *entry(place: Place): AsyncGenerator<Buffer> {
    const status = this.files.statAt(place.directory, place.name);
    const type = status && TYPES[status.mode & S_IFMT];
    if (!status || !type) return;
    try {
      if (type === 'directory') yield* this.directory(place, status);
      else if (type === 'file') yield* this.file(place, status);
      else this.add(this.header(place, type, status));
    } catch (error) {
      // Deleted, or replaced by something else, since we looked.
      if (!hasCode(error, 'ENOENT', 'ELOOP', 'ENOTDIR')) throw error;
    }
    if (this.size >= PIECE) yield this.flush();
  }

  private async *directory(place: Place, status: FileStatus): AsyncGenerator<Buffer> {
    const opened = this.files.openAt(place.directory, place.name, O_RDONLY | O_DIRECTORY);
    try {
      const entryName = place.entryName.endsWith('/') ? place.entryName : `${place.entryName}/`;
      this.add(this.header({ ...place, entryName }, 'directory', status));
      const leftOut = status.device !== this.start && this.options.leavesOut?.has(status.device);
      if (!leftOut) yield* this.contents(opened, entryName);
    } finally {
      closeSync(opened);
    }
  }

  private async *file(place: Place, status: FileStatus): AsyncGenerator<Buffer> {
    const inode = `${status.device}:${status.inode}`;
    const first = status.links > 1 ? this.linked.get(inode) : undefined;
    if (first !== undefined) return this.add(this.header(place, 'link', status, first));
    const opened = this.files.openAt(place.directory, place.name, O_RDONLY | O_NONBLOCK);
    try {
      const found = fstatSync(opened);
      if (!found.isFile()) return;
      if (status.links > 1) this.linked.set(inode, place.entryName);
      this.add(this.header(place, 'file', { ...status, size: found.size }));
      yield* this.content(opened, found.size);
      this.add(tarPadding(found.size));
    } finally {
      closeSync(opened);
    }
  }

  /** Exactly as much as the header says, whatever happens to the file meanwhile. */
  private async *content(fd: number, size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0;) {
      const buffer = Buffer.allocUnsafe(Math.min(left, PIECE));
      const { bytesRead } = await readAsync(fd, buffer, 0, buffer.length, null);
      const piece = bytesRead > 0 ? buffer.subarray(0, bytesRead) : Buffer.alloc(buffer.length);
      this.add(piece);
      left -= piece.length;
      if (this.size >= PIECE) yield this.flush();
    }
  }

  private header(place: Place, type: TarEntryType, status: FileStatus, linkName = ''): Buffer {
    const entry = newEntry(place.entryName, type, type === 'file' ? status.size : 0, status.mode & 0o7777);
    Object.assign(entry, { ...this.ownerOf(status), mtime: status.mtime, linkName });
    if (type === 'symlink') entry.linkName = this.files.readlinkAt(place.directory, place.name);
    if (type === 'block' || type === 'character') {
      Object.assign(entry, { major: status.major, minor: status.minor });
    }
    if (type === 'file' || type === 'directory') this.addXattrs(entry.xattrs, place);
    return encodeHeader(entry);
  }

  private ownerOf({ uid, gid }: FileStatus): Owner {
    const { mapping } = this.options;
    if (!mapping) return { uid, gid };
    return { uid: idInside(mapping.uids, uid), gid: idInside(mapping.gids, gid) };
  }

  private addXattrs(xattrs: Map<string, Buffer>, { directory, name }: Place): void {
    try {
      for (const attribute of this.files
        .listXattrsAt(directory, name)
        .filter(this.options.keeps ?? isKeptXattr)) {
        const value = this.files.getXattrAt(directory, name, attribute);
        if (value) xattrs.set(attribute, value);
      }
    } catch (error) {
      if (!hasCode(error, 'EOPNOTSUPP', 'ENOTSUP')) throw error;
    }
  }

  private add(bytes: Buffer): void {
    this.parts.push(bytes);
    this.size += bytes.length;
  }

  private flush(): Buffer {
    const piece = Buffer.concat(this.parts, this.size);
    this.parts = [];
    this.size = 0;
    return piece;
  }
}
