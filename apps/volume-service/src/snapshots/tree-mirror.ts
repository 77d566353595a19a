import { closeSync, constants, readdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { hasCode, type FileStatus, type Linux } from '@gantry/shared/linux';

const { S_IFMT, S_IFDIR, S_IFREG, S_IFLNK, O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NONBLOCK } =
  constants;
const { COPYFILE_FICLONE } = constants;

/** Times of change are as coarse as the kernel's tick: what changed this lately may change again unseen. Nanoseconds. */
const UNSETTLED_NS = 20_000_000n;

const LOOKS_IN_A_ROW = 200;

/** An open directory on each side, and its path below the top. */
interface Pair {
  from: number;
  to: number;
  path: string;
}

/**
 * Makes one directory like another (both descriptors), and `to` itself alike: content, modes, owners, extended attributes,
 * times, symlinks, hard links, devices, FIFOs and sockets. Files share their blocks where the file system can (reflinks).
 * Works on directory descriptors throughout, so that no symlink leads it anywhere else.
 */
export class TreeMirror {
  /** What each path looked like when it was copied; without an entry it is copied again. */
  private readonly seen = new Map<string, string>();
  /** Where a file with several links was copied to in this pass, by inode. */
  private readonly linked = new Map<string, string>();
  /** The paths of such files, by inode. */
  private readonly links = new Map<string, Set<string>>();
  private changes = 0;
  private passes = 0;
  private looks = 0;

  constructor(
    private readonly linux: Pick<Linux, 'files' | 'paths'>,
    private readonly from: number,
    private readonly to: number,
  ) {}

  /**
   * Copies what has changed since the last pass, and gives how much that was. After a pass without changes the copy is
   * what there was at the moment when that pass began.
   */
  async pass(): Promise<number> {
    this.changes = 0;
    this.passes += 1;
    this.linked.clear();
    const status = this.linux.files.statAt(this.from, '.');
    if (status) await this.directory({ from: this.from, to: this.to, path: '' }, status);
    return this.changes;
  }

  private async directory(pair: Pair, status: FileStatus): Promise<void> {
    const isNew = this.isNew(pair.path || '.', status);
    const names = readdirSync(`/proc/self/fd/${pair.from}`);
    const before = this.changes;
    if (this.passes > 1) this.removeOthers(pair, new Set(names));
    for (const name of names) {
      // The rest of the service has its turn too.
      if (++this.looks % LOOKS_IN_A_ROW === 0) await setImmediate();
      await this.entry(pair, name);
    }
    if (isNew || this.changes !== before) this.attributes(pair, '.', status);
  }

  private removeOthers(pair: Pair, names: Set<string>): void {
    for (const name of readdirSync(`/proc/self/fd/${pair.to}`)) {
      if (names.has(name)) continue;
      this.linux.files.removeTreeAt(pair.to, name);
      this.forget(posix.join(pair.path, name));
      this.changes += 1;
    }
  }

  private async entry(pair: Pair, name: string): Promise<void> {
    const { files } = this.linux;
    const path = posix.join(pair.path, name);
    const status = files.statAt(pair.from, name);
    if (!status) return void (this.changes += 1);
    try {
      const type = status.mode & S_IFMT;
      if (type === S_IFDIR) return await this.subdirectory(pair, name, status);
      if (!this.isNew(path, status)) return;
      if (this.passes > 1) files.removeTreeAt(pair.to, name);
      if (status.links > 1 && this.linkToCopy(pair, name, status)) return;
      if (type === S_IFREG) await this.file(pair, name);
      else if (type === S_IFLNK) files.symlinkAt(files.readlinkAt(pair.from, name), pair.to, name);
      else files.mknodAt(pair.to, name, type | 0o600, status.major, status.minor);
      this.attributes(pair, name, status);
    } catch (error) {
      // It went, or became something else, while we looked: the next pass sees to it.
      if (!hasCode(error, 'ENOENT', 'ELOOP', 'ENOTDIR')) throw error;
      this.forget(path);
      this.changes += 1;
    }
  }

  private async subdirectory(pair: Pair, name: string, status: FileStatus): Promise<void> {
    const { files } = this.linux;
    const there = files.statAt(pair.to, name);
    if (there && (there.mode & S_IFMT) !== S_IFDIR) files.removeTreeAt(pair.to, name);
    if (!there || (there.mode & S_IFMT) !== S_IFDIR) files.mkdirAt(pair.to, name, 0o700);
    const from = files.openAt(pair.from, name, O_RDONLY | O_DIRECTORY);
    try {
      const to = files.openAt(pair.to, name, O_RDONLY | O_DIRECTORY);
      try {
        await this.directory({ from, to, path: posix.join(pair.path, name) }, status);
      } finally {
        closeSync(to);
      }
    } finally {
      closeSync(from);
    }
  }

  private async file(pair: Pair, name: string): Promise<void> {
    const { files } = this.linux;
    const from = files.openAt(pair.from, name, O_RDONLY | O_NONBLOCK);
    try {
      const to = files.openAt(pair.to, name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
      try {
        await copyFile(`/proc/self/fd/${from}`, `/proc/self/fd/${to}`, COPYFILE_FICLONE);
      } finally {
        closeSync(to);
      }
    } finally {
      closeSync(from);
    }
  }

  /** True when another link of the file is there already, and this one now is too. */
  private linkToCopy(pair: Pair, name: string, status: FileStatus): boolean {
    const { files, paths } = this.linux;
    const inode = `${status.device}:${status.inode}`;
    const path = posix.join(pair.path, name);
    const links = this.links.get(inode) ?? new Set();
    this.links.set(inode, links.add(path));
    const copied = this.linked.get(inode);
    if (copied === undefined) {
      this.linked.set(inode, path);
      // The other links become links of the new copy, those already passed by in the next pass.
      for (const other of links) if (other !== path) this.seen.delete(other);
      return false;
    }
    const directory = paths.openInRoot(this.to, posix.dirname(copied), O_RDONLY | O_DIRECTORY);
    try {
      files.linkAt(directory, posix.basename(copied), pair.to, name);
    } finally {
      closeSync(directory);
    }
    return true;
  }

  /** In this order: a change of owner clears setuid and capabilities, everything clears times. */
  private attributes(pair: Pair, name: string, status: FileStatus): void {
    const { files } = this.linux;
    files.chownAt(pair.to, name, status.uid, status.gid);
    if ((status.mode & S_IFMT) !== S_IFLNK) files.chmodAt(pair.to, name, status.mode & 0o7777);
    for (const attribute of files.listXattrsAt(pair.from, name)) {
      if (attribute.startsWith('trusted.overlay.')) continue;
      const value = files.getXattrAt(pair.from, name, attribute);
      try {
        if (value) files.setXattrAt(pair.to, name, attribute, value);
      } catch (error) {
        // A file system without this kind of attribute, as dockerd puts up with.
        if (!hasCode(error, 'EOPNOTSUPP', 'ENOTSUP')) throw error;
      }
    }
    files.utimesAt(pair.to, name, undefined, status.mtime);
  }

  /** Whether it has to be copied, which it then counts as. */
  private isNew(path: string, status: FileStatus): boolean {
    const look = lookOf(status);
    if (this.seen.get(path) === look) return false;
    this.changes += 1;
    const age = BigInt(Date.now()) * 1_000_000n - status.changed;
    this.seen.set(path, age < UNSETTLED_NS ? 'unsettled' : look);
    return true;
  }

  private forget(path: string): void {
    this.seen.delete(path);
    for (const other of this.seen.keys()) if (other.startsWith(`${path}/`)) this.seen.delete(other);
  }
}

const lookOf = ({ device, inode, changed, mode }: FileStatus): string =>
  `${device}:${inode}:${mode}:${changed}`;
