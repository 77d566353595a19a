import { closeSync, constants, fchmodSync, fchownSync, writeSync } from 'node:fs';
import { EngineError, invalidArgument, messageOf } from '@gantry/shared/errors';
import { type Linux, SystemError, hasCode } from '@gantry/shared/linux';
import { type TarEntry, type TarVisitor } from '@gantry/shared/tar';
import { componentsOf, shown } from './layer-path';
import { OPAQUE_XATTR, OVERLAY_XATTR_PREFIXES, parseWhiteout } from './whiteout';

const O_PATH = 0o10000000;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_WRONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT } = constants;
/** Trouble of the host, not of the archive. */
const HOST_TROUBLE = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM', 'EPERM'];

interface OpenFile {
  fd: number;
  parent: number;
  name: string;
  entry: TarEntry;
}

/**
 * Writes the entries of a layer archive below one directory, as overlayfs wants a layer: whiteouts become character
 * devices 0/0 and opaque directories an attribute. Every name is resolved below the directory by the kernel, so that
 * nothing outside it can change, whatever the archive says.
 */
export class LayerWriter implements TarVisitor {
  /** Bytes of all regular files. */
  size = 0;
  /** Whether an entry took the place of an earlier one, whose content is gone then. */
  replaced = false;

  private readonly root: number;
  private parentPath?: string;
  private parentFd = -1;
  private open?: OpenFile;
  private readonly directories = new Map<string, TarEntry['mtime']>();

  constructor(
    private readonly linux: Pick<Linux, 'files' | 'paths'>,
    directory: string,
  ) {
    this.root = linux.paths.openInRoot(directory, '.', O_PATH | O_DIRECTORY);
  }

  entry(entry: TarEntry): void {
    this.guard(entry.name, () => this.place(entry));
  }

  content(bytes: Buffer): void {
    if (!this.open) return;
    for (let at = 0; at < bytes.length;) at += writeSync(this.open.fd, bytes, at);
    this.size += bytes.length;
  }

  endOfEntry(): void {
    const open = this.open;
    if (!open) return;
    this.open = undefined;
    try {
      this.guard(open.entry.name, () => {
        fchownSync(open.fd, open.entry.uid, open.entry.gid);
        this.setXattrs(open.parent, open.name, open.entry);
        fchmodSync(open.fd, open.entry.mode);
        this.linux.files.utimesAt(open.parent, open.name, open.entry.mtime, open.entry.mtime);
      });
    } finally {
      closeSync(open.fd);
    }
  }

  /** Times of directories, last of all: what was put into them has changed them. */
  finish(): void {
    for (const [path, mtime] of this.directories) {
      const components = path.split('/');
      const name = components.pop() || '.';
      try {
        this.linux.files.utimesAt(this.existingParent(components.join('/')), name, mtime, mtime);
      } catch (error) {
        // A later entry took the place of a directory above it.
        if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
      }
    }
  }

  close(): void {
    this.forgetParent();
    if (this.open) closeSync(this.open.fd);
    closeSync(this.root);
  }

  private place(entry: TarEntry): void {
    const components = componentsOf(entry.name);
    const name = components.pop();
    if (name === undefined) return this.placeRoot(entry);
    const whiteout = parseWhiteout(name);
    if (whiteout?.kind === 'ignored') return;
    const parent = this.parent(components);
    if (whiteout?.kind === 'opaque')
      return this.linux.files.setXattrAt(parent, '.', OPAQUE_XATTR, Buffer.from('y'));
    if (whiteout) {
      return this.create(parent, whiteout.name, () =>
        this.linux.files.mknodAt(parent, whiteout.name, S_IFCHR, 0, 0),
      );
    }
    this.make(entry, parent, name, [...components, name].join('/'));
  }

  private placeRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') {
      throw invalidArgument(`Error processing tar file: ${shown(entry.name)} is not a directory`);
    }
    this.setAttributes(this.root, '.', entry);
    this.directories.set('', entry.mtime);
  }

  private make(entry: TarEntry, parent: number, name: string, path: string): void {
    const { files } = this.linux;
    if (entry.type !== 'directory') this.directories.delete(path);
    switch (entry.type) {
      case 'file': {
        const fd = this.create(parent, name, () =>
          files.openAt(parent, name, O_WRONLY | O_CREAT | O_EXCL, 0o600),
        );
        this.open = { fd, parent, name, entry };
        return;
      }
      case 'directory':
        this.makeDirectory(parent, name);
        this.directories.set(path, entry.mtime);
        return this.setAttributes(parent, name, entry);
      case 'link':
        return this.makeLink(entry, parent, name);
      case 'symlink':
        this.create(parent, name, () => files.symlinkAt(entry.linkName, parent, name));
        break;
      case 'fifo':
        this.create(parent, name, () => files.mkfifoAt(parent, name, entry.mode));
        break;
      case 'character':
      case 'block': {
        const type = entry.type === 'block' ? S_IFBLK : S_IFCHR;
        this.create(parent, name, () =>
          files.mknodAt(parent, name, type | entry.mode, entry.major, entry.minor),
        );
        break;
      }
      default:
        throw invalidArgument(`Error processing tar file: unhandled type of ${shown(entry.name)}`);
    }
    this.setAttributes(parent, name, entry);
    files.utimesAt(parent, name, entry.mtime, entry.mtime);
  }

  private makeDirectory(parent: number, name: string): void {
    const existing = this.linux.files.statAt(parent, name);
    if (existing && (existing.mode & S_IFMT) === S_IFDIR) return;
    this.create(parent, name, () => this.linux.files.mkdirAt(parent, name, 0o700));
  }

  /** The target has to be in this layer; a link to a symlink is a second name of the symlink. */
  private makeLink(entry: TarEntry, parent: number, name: string): void {
    const components = componentsOf(entry.linkName, 'hard link target');
    const target = components.pop();
    if (target === undefined) {
      throw invalidArgument(`Error processing tar file: invalid hard link ${shown(entry.linkName)}`);
    }
    const from = this.linux.paths.openInRoot(this.root, components.join('/'), O_PATH | O_DIRECTORY);
    try {
      this.create(parent, name, () => this.linux.files.linkAt(from, target, parent, name));
    } finally {
      closeSync(from);
    }
  }

  private setAttributes(parent: number, name: string, entry: TarEntry): void {
    this.linux.files.chownAt(parent, name, entry.uid, entry.gid);
    this.setXattrs(parent, name, entry);
    if (entry.type !== 'symlink') this.linux.files.chmodAt(parent, name, entry.mode);
  }

  private setXattrs(parent: number, name: string, entry: TarEntry): void {
    for (const [attribute, value] of entry.xattrs) {
      if (OVERLAY_XATTR_PREFIXES.some((prefix) => attribute.startsWith(prefix))) {
        throw invalidArgument(
          `Error processing tar file: the attribute ${attribute} is not allowed in a layer`,
        );
      }
      try {
        this.linux.files.setXattrAt(parent, name, attribute, value);
      } catch (error) {
        // As dockerd: a file system without them, or `user.` attributes on what cannot carry them.
        if (!hasCode(error, 'EOPNOTSUPP', 'ENOTSUP', 'EPERM')) throw error;
      }
    }
  }

  /** Runs `make`; what is in its place goes first. */
  private create<T>(parent: number, name: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
    this.replaced = true;
    this.linux.files.removeTreeAt(parent, name);
    const made = make();
    // Another path may resolve differently from now on.
    this.parentPath = undefined;
    return made;
  }

  /** A descriptor of a directory of the layer, made where it is missing; valid until the next call. */
  private parent(components: string[]): number {
    const path = components.join('/');
    try {
      return this.existingParent(path);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    this.parentFd = this.linux.paths.mkdirAllInRoot(this.root, path, 0o755);
    this.parentPath = path;
    return this.parentFd;
  }

  private existingParent(path: string): number {
    if (path === this.parentPath) return this.parentFd;
    this.forgetParent();
    this.parentFd = this.linux.paths.openInRoot(this.root, path, O_PATH | O_DIRECTORY);
    this.parentPath = path;
    return this.parentFd;
  }

  private forgetParent(): void {
    if (this.parentFd >= 0) closeSync(this.parentFd);
    this.parentFd = -1;
    this.parentPath = undefined;
  }

  private guard(name: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof EngineError || hasCode(error, ...HOST_TROUBLE)) throw error;
      if (!(error instanceof SystemError) && !hasCode(error, 'EINVAL', 'EOVERFLOW')) throw error;
      throw invalidArgument(`Error processing tar file: ${shown(name)}: ${reasonOf(error)}`, error);
    }
  }
}

/** What archives run into, as strerror(3) has it; without the name, which may be long. */
function reasonOf(error: unknown): string {
  if (hasCode(error, 'ENAMETOOLONG')) return 'file name too long';
  if (hasCode(error, 'ENOENT')) return 'no such file or directory';
  if (hasCode(error, 'ENOTDIR')) return 'not a directory';
  if (hasCode(error, 'ELOOP')) return 'too many levels of symbolic links';
  return messageOf(error);
}
