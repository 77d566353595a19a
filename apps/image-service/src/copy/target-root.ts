import { closeSync, constants, fchmodSync, fchownSync, write, writeSync } from 'node:fs';
import { posix } from 'node:path';
import { promisify } from 'node:util';
import { invalidArgument } from '@gantry/shared/errors';
import { type FileStatus, hasCode, type Linux } from '@gantry/shared/linux';
import type { SourceNode } from '../context/source-tree';
import type { Owner } from './owner';

const writeAsync = promisify(write);

const O_PATH = 0o10000000;
const { O_CREAT, O_DIRECTORY, O_EXCL, O_WRONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT } = constants;
/** Written at once rather than by a thread. Bytes. */
const SMALL = 64 * 1024;

/**
 * The files of an image in the making. Symlinks on the way to a destination mean what they mean inside it; the kernel
 * resolves every name below its top, so that none leads out.
 */
export class TargetRoot {
  private readonly root: number;
  private parent?: { path: string; fd: number };

  constructor(
    private readonly linux: Pick<Linux, 'files' | 'paths'>,
    private readonly directory: string,
  ) {
    this.root = linux.paths.openInRoot(directory, '.', O_PATH | O_DIRECTORY);
  }

  close(): void {
    this.forgetParent();
    closeSync(this.root);
  }

  /** `path` with its symlinks followed, relative to the top; the end of it need not be there. */
  resolve(path: string): string {
    return posix.relative(this.directory, this.linux.paths.resolveInRoot(this.directory, path));
  }

  isDirectory(path: string): boolean {
    const status = this.statusOf(path);
    return status !== undefined && (status.mode & S_IFMT) === S_IFDIR;
  }

  /** Makes a directory and what is missing above it, all of `owner` and with mode 0755. True: it was not there. */
  makeDirectories(path: string, owner: Owner): boolean {
    let made = false;
    const walked: string[] = [];
    for (const name of path === '' ? [] : path.split('/')) {
      const parent = this.directoryOf(walked.join('/'));
      walked.push(name);
      const status = this.linux.files.statAt(parent, name);
      if (!status) {
        this.linux.files.mkdirAt(parent, name, 0o755);
        this.linux.files.chownAt(parent, name, owner.uid, owner.gid);
        this.linux.files.chmodAt(parent, name, 0o755);
        made = true;
      } else if ((status.mode & S_IFMT) !== S_IFDIR) {
        throw invalidArgument(`mkdir /${walked.join('/')}: not a directory`);
      }
    }
    return made;
  }

  /** Writes a file that takes the place of what is there; its directory has to be there. */
  async writeFile(path: string, node: SourceNode, content: AsyncIterable<Buffer>): Promise<void> {
    const { parent, name } = this.placeOf(path, node);
    const fd = this.linux.files.openAt(parent, name, O_CREAT | O_EXCL | O_WRONLY, 0o600);
    try {
      if (node.size > 0) for await (const chunk of content) await writeAll(fd, chunk);
      fchownSync(fd, node.uid, node.gid);
      for (const [attribute, value] of node.xattrs)
        this.linux.files.setXattr(`/proc/self/fd/${fd}`, attribute, value);
      fchmodSync(fd, node.mode);
      this.linux.files.utimesAt(this.directoryOf(dirname(path)), name, node.mtime, node.mtime);
    } finally {
      closeSync(fd);
    }
  }

  /** Makes a directory, symlink, FIFO or device; a directory that is there stays and gets what `node` says. */
  make(path: string, node: SourceNode): void {
    const { files } = this.linux;
    const { parent, name, isMerged } = this.placeOf(path, node);
    if (node.type === 'directory' && !isMerged) files.mkdirAt(parent, name, 0o700);
    else if (node.type === 'symlink') files.symlinkAt(node.linkName, parent, name);
    else if (node.type === 'fifo') files.mkfifoAt(parent, name, 0o600);
    else if (node.type === 'block' || node.type === 'character') {
      const kind = node.type === 'block' ? S_IFBLK : S_IFCHR;
      files.mknodAt(parent, name, kind | 0o600, node.major, node.minor);
    }
    files.chownAt(parent, name, node.uid, node.gid);
    if (node.type !== 'symlink') files.chmodAt(parent, name, node.mode);
    if (node.type !== 'directory') this.setTime(path, node);
  }

  /** A second name of a file that is there. */
  link(path: string, existing: string, node: SourceNode): void {
    const { parent, name } = this.placeOf(path, node);
    const from = this.linux.paths.openInRoot(this.root, dirname(existing), O_PATH | O_DIRECTORY);
    try {
      this.linux.files.linkAt(from, posix.basename(existing), parent, name);
    } finally {
      closeSync(from);
    }
  }

  setTime(path: string, { mtime }: Pick<SourceNode, 'mtime'>): void {
    this.linux.files.utimesAt(this.directoryOf(dirname(path)), posix.basename(path), mtime, mtime);
  }

  setOwner(path: string, { uid, gid }: Owner): void {
    this.linux.files.chownAt(this.directoryOf(dirname(path)), posix.basename(path), uid, gid);
  }

  setMode(path: string, mode: number): void {
    this.linux.files.chmodAt(this.directoryOf(dirname(path)), posix.basename(path), mode);
  }

  statusOf(path: string): FileStatus | undefined {
    if (path === '') return this.linux.files.statAt(this.root, '.');
    try {
      return this.linux.files.statAt(this.directoryOf(dirname(path)), posix.basename(path));
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /** Takes away what `node` cannot lie over. */
  private placeOf(path: string, node: SourceNode): { parent: number; name: string; isMerged: boolean } {
    if (path === '') throw invalidArgument(`cannot copy to non-directory: ${this.directory}`);
    const parent = this.directoryOf(dirname(path));
    const name = posix.basename(path);
    const there = this.linux.files.statAt(parent, name);
    const isMerged = there !== undefined && (there.mode & S_IFMT) === S_IFDIR && node.type === 'directory';
    if (there && !isMerged) this.linux.files.removeTreeAt(parent, name);
    return { parent, name, isMerged };
  }

  /** Files come by directories: the last one stays open. Valid until the next call. */
  private directoryOf(path: string): number {
    if (this.parent?.path === path) return this.parent.fd;
    this.forgetParent();
    const fd = this.linux.paths.openInRoot(this.root, path, O_PATH | O_DIRECTORY);
    this.parent = { path, fd };
    return fd;
  }

  private forgetParent(): void {
    if (this.parent) closeSync(this.parent.fd);
    this.parent = undefined;
  }
}

const dirname = (path: string): string => {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
};

async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at +=
      bytes.length <= SMALL
        ? writeSync(fd, bytes, at)
        : (await writeAsync(fd, bytes, at, bytes.length - at)).bytesWritten;
  }
}
