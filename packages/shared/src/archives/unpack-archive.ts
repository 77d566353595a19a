import { closeSync, constants, fchmodSync, fchownSync, writeSync } from 'node:fs';
import { posix } from 'node:path';
import { internal, invalidArgument } from '../errors';
import {
  hasCode,
  idOnHost,
  rootOf,
  SystemError,
  systemErrorText,
  type FileStatus,
  type IdMapping,
  type IdRange,
  type Linux,
  type Owner,
} from '../linux';
import type { TarEntry, TarVisitor } from '../tar';

const O_PATH = 0o10000000;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_WRONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT } = constants;

export interface UnpackOptions {
  /** Refuse to put a directory in the place of something else, or the reverse. */
  noOverwriteDirNonDir: boolean;
  /** Owner of everything, instead of what the archive says. */
  owner?: Owner;
  /** The files belong to users of this mapping: owners are named as inside of it. */
  mapping?: IdMapping;
}

/**
 * Writes the entries of an archive into a directory of a container. Symlinks on the way mean what they mean inside the
 * container: the kernel resolves every name below the container's root, and the last one is never followed.
 */
export class ArchiveUnpacker implements TarVisitor {
  private parent?: { path: string; fd: number };
  private open?: { fd: number; parent: number; name: string; entry: TarEntry };
  private readonly directories = new Map<string, TarEntry['mtime']>();

  /** `target`: a directory, seen from the container's `root`. */
  constructor(
    private readonly linux: Pick<Linux, 'files' | 'paths' | 'credentials'>,
    private readonly root: number,
    private readonly target: string,
    private readonly options: UnpackOptions,
  ) {}

  /** @throws InvalidArgument for an owner whom the mapping does not know, in dockerd's words */
  entry(entry: TarEntry): void {
    const { mapping } = this.options;
    if (mapping) this.linux.credentials.as(rootOf(mapping), () => this.make(entry));
    else this.make(entry);
  }

  content(bytes: Buffer): void {
    if (!this.open) return;
    for (let at = 0; at < bytes.length;) at += writeSync(this.open.fd, bytes, at);
  }

  endOfEntry(): void {
    if (!this.open) return;
    const { fd, parent, name, entry } = this.open;
    this.open = undefined;
    try {
      const { uid, gid } = this.ownerOf(entry);
      fchownSync(fd, uid, gid);
      this.setXattrs(parent, name, entry);
      fchmodSync(fd, entry.mode);
      this.linux.files.utimesAt(parent, name, entry.mtime, entry.mtime);
    } finally {
      closeSync(fd);
    }
  }

  /** Times of directories, last of all: what was put into them has changed them. */
  finish(): void {
    for (const [path, mtime] of this.directories) {
      try {
        this.linux.files.utimesAt(this.parentOf(path), posix.basename(path), mtime, mtime);
      } catch (error) {
        // A later entry took the place of a directory above it.
        if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
      }
    }
  }

  close(): void {
    if (this.open) closeSync(this.open.fd);
    this.forgetParent();
  }

  private make(entry: TarEntry): void {
    const path = this.pathOf(entry.name);
    const name = posix.basename(path);
    if (path === '' || entry.type === 'global' || entry.type === 'other') return;
    const parent = this.parentOf(path);
    const existing = this.linux.files.statAt(parent, name);
    if (existing) this.makeRoom(entry, parent, name, existing);
    switch (entry.type) {
      case 'directory':
        if (!existing || !isDirectory(existing)) this.linux.files.mkdirAt(parent, name, 0o700);
        this.directories.set(path, entry.mtime);
        break;
      case 'file':
        this.open = {
          fd: this.linux.files.openAt(parent, name, O_CREAT | O_EXCL | O_WRONLY, 0o600),
          parent,
          name,
          entry,
        };
        return; // the rest when its content is there
      case 'link':
        return this.hardLink(entry, parent, name);
      case 'symlink':
        this.linux.files.symlinkAt(entry.linkName, parent, name);
        break;
      case 'fifo':
        this.linux.files.mkfifoAt(parent, name, 0o600);
        break;
      default: {
        const kind = entry.type === 'block' ? S_IFBLK : S_IFCHR;
        this.linux.files.mknodAt(parent, name, kind | 0o600, entry.major, entry.minor);
      }
    }
    const { uid, gid } = this.ownerOf(entry);
    this.linux.files.chownAt(parent, name, uid, gid);
    this.setXattrs(parent, name, entry);
    if (entry.type !== 'symlink') this.linux.files.chmodAt(parent, name, entry.mode);
    if (entry.type !== 'directory') this.linux.files.utimesAt(parent, name, entry.mtime, entry.mtime);
  }

  private ownerOf(entry: TarEntry): Owner {
    const { mapping, owner = entry } = this.options;
    if (!mapping) return owner;
    return { uid: mapped(mapping.uids, owner.uid), gid: mapped(mapping.gids, owner.gid) };
  }

  /** dockerd's rules for what is there already. */
  private makeRoom(entry: TarEntry, parent: number, name: string, existing: FileStatus): void {
    const [was, becomes] = [isDirectory(existing), entry.type === 'directory'];
    if (was && becomes) return;
    const path = posix.join(this.target, this.pathOf(entry.name));
    if (this.options.noOverwriteDirNonDir && was) {
      throw invalidArgument(`cannot overwrite directory "${path}" with non-directory "${this.target}"`);
    }
    if (this.options.noOverwriteDirNonDir && becomes) {
      throw invalidArgument(`cannot overwrite non-directory "${path}" with directory "${this.target}"`);
    }
    try {
      this.linux.files.removeTreeAt(parent, name, { refuseMounts: true });
    } catch (error) {
      if (!hasCode(error, 'EBUSY')) throw error;
      throw internal(`unlinkat ${path}: device or resource busy`, error);
    }
  }

  private hardLink(entry: TarEntry, parent: number, name: string): void {
    const target = this.pathOf(entry.linkName);
    const paths = [target, this.pathOf(entry.name)].map((path) => posix.join(this.target, path));
    let from: number | undefined;
    try {
      const directory = posix.join(this.target, posix.dirname(target));
      from = this.linux.paths.openInRoot(this.root, directory, O_PATH | O_DIRECTORY);
      this.linux.files.linkAt(from, posix.basename(target), parent, name);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw internal(`link ${paths.join(' ')}: ${systemErrorText(error)}`, error);
    } finally {
      if (from !== undefined) closeSync(from);
    }
  }

  private setXattrs(parent: number, name: string, entry: TarEntry): void {
    for (const [attribute, value] of entry.xattrs) {
      try {
        this.linux.files.setXattrAt(parent, name, attribute, value);
      } catch (error) {
        // As dockerd: an attribute the file system does not take is left out.
        if (!hasCode(error, 'EOPNOTSUPP', 'ENOTSUP', 'EPERM')) throw error;
      }
    }
  }

  /** Relative to the target, without dots; empty for the target itself. */
  private pathOf(name: string): string {
    const clean = posix.normalize(name.replace(/^\/+/, '') || '.').replace(/\/+$/, '');
    if (clean === '..' || clean.startsWith('../')) {
      throw invalidArgument(`Error processing tar file: "${name}" is outside of "${this.target}"`);
    }
    return clean === '.' ? '' : clean;
  }

  /** The directory an entry goes into, made where it is missing. Entries come by directories: the last one is kept open. */
  private parentOf(path: string): number {
    const directory = posix.dirname(path);
    if (this.parent?.path === directory) return this.parent.fd;
    this.forgetParent();
    const fd = this.linux.paths.mkdirAllInRoot(this.root, posix.join(this.target, directory));
    this.parent = { path: directory, fd };
    return fd;
  }

  private forgetParent(): void {
    if (this.parent) closeSync(this.parent.fd);
    this.parent = undefined;
  }
}

const isDirectory = ({ mode }: FileStatus): boolean => (mode & S_IFMT) === S_IFDIR;

function mapped(ranges: IdRange[], id: number): number {
  const found = idOnHost(ranges, id);
  if (found === undefined) throw invalidArgument(`Container ID ${id} cannot be mapped to a host ID`);
  return found;
}
