import { constants, copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { FileStatus, Linux } from '@gantry/shared/linux';
import { isWhiteout } from '../../layers/overlay-tar';
import { OPAQUE_XATTR, OVERLAY_XATTR_PREFIXES } from '../../layers/whiteout';

type Port = Pick<Linux, 'files'>;

export interface Collapsed {
  /** The directories of the layers, lowest first, as overlayfs has them. */
  layers: string[];
  /** What they lie on. */
  below: string;
  /** What they and that make together. */
  whole: string;
}

const AT_FDCWD = -100;
const { COPYFILE_FICLONE, COPYFILE_EXCL, S_IFDIR, S_IFMT, S_IFREG, S_IFLNK, S_IFIFO } = constants;

/** Writes into the empty directory `upper` what takes `below` to `whole`: all of the layers as one, as overlayfs has it. */
export function collapseLayers(linux: Port, { layers, below, whole }: Collapsed, upper: string): void {
  new Collapse(linux, layers, below, whole, upper).directory('');
}

class Collapse {
  /** Files with several names that have been written, by inode of the layer. */
  private readonly linked = new Map<string, string>();
  /** Whether a layer has a directory at a path. */
  private readonly directories = new Map<string, boolean>();

  constructor(
    private readonly linux: Port,
    private readonly layers: string[],
    private readonly below: string,
    private readonly whole: string,
    private readonly upper: string,
  ) {}

  /** Whatever a layer says of a directory, or hides in it. Returns whether anything below it was written. */
  directory(path: string): boolean {
    let isWritten = false;
    for (const name of this.namesIn(path)) isWritten = this.member(join(path, name)) || isWritten;
    return isWritten;
  }

  /** Where a layer hides all that was in it before, also the names that it had below. */
  private namesIn(path: string): string[] {
    const names = new Set<string>();
    let isHidden = false;
    for (const layer of this.layers) {
      const status = this.statusOf(layer, path);
      if (!status) continue;
      if (!isDirectory(status)) isHidden = true;
      else {
        isHidden ||= this.linux.files.getXattr(join(layer, path), OPAQUE_XATTR)?.toString() === 'y';
        for (const name of readdirSync(join(layer, path))) names.add(name);
      }
    }
    const before = isHidden ? this.statusOf(this.below, path) : undefined;
    if (before && isDirectory(before))
      for (const name of readdirSync(join(this.below, path))) names.add(name);
    return [...names].sort();
  }

  private member(path: string): boolean {
    const now = this.statusOf(this.whole, path);
    const before = this.statusOf(this.below, path);
    if (!now) {
      if (before) this.whiteout(path);
      return before !== undefined;
    }
    if (isDirectory(now)) return this.keptDirectory(path, now, before);
    const from = this.layers.findLast((layer) => {
      const status = this.statusOf(layer, path);
      return status && !isDirectory(status) && !isWhiteout(status);
    });
    // Of below, and as it was.
    if (from === undefined) return false;
    this.parent(path);
    this.file(path, join(from, path));
    return true;
  }

  private keptDirectory(path: string, now: FileStatus, before: FileStatus | undefined): boolean {
    const isNew = !before || !isDirectory(before) || !isSame(now, before);
    if (isNew) this.make(path);
    const isWritten = this.directory(path);
    // Making what is in it has changed its time.
    if (isNew || isWritten) this.dress(path, join(this.whole, path), now);
    return isNew || isWritten;
  }

  private file(path: string, source: string): void {
    const status = this.statusAt(source);
    const inode = `${status.device}:${status.inode}`;
    const type = status.mode & S_IFMT;
    const first = status.links > 1 ? this.linked.get(inode) : undefined;
    const target = join(this.upper, path);
    const { files } = this.linux;
    if (first !== undefined) return files.linkAt(AT_FDCWD, join(this.upper, first), AT_FDCWD, target);
    if (status.links > 1) this.linked.set(inode, path);
    if (type === S_IFREG) copyFileSync(source, target, COPYFILE_FICLONE | COPYFILE_EXCL);
    else if (type === S_IFLNK) files.symlinkAt(files.readlinkAt(AT_FDCWD, source), AT_FDCWD, target);
    else if (type === S_IFIFO) files.mkfifoAt(AT_FDCWD, target, status.mode & 0o7777);
    else files.mknodAt(AT_FDCWD, target, status.mode, status.major, status.minor);
    this.dress(path, source, status);
  }

  /** Owner, mode, attributes and times, in the order in which one does not undo another. */
  private dress(path: string, source: string, status: FileStatus): void {
    const target = join(this.upper, path);
    const { files } = this.linux;
    const isLink = (status.mode & S_IFMT) === S_IFLNK;
    files.chownAt(AT_FDCWD, target, status.uid, status.gid);
    if (!isLink) {
      files.chmodAt(AT_FDCWD, target, status.mode & 0o7777);
      for (const attribute of files.listXattrs(source)) {
        if (OVERLAY_XATTR_PREFIXES.some((prefix) => attribute.startsWith(prefix))) continue;
        const value = files.getXattr(source, attribute);
        if (value) files.setXattrAt(AT_FDCWD, target, attribute, value);
      }
    }
    files.utimesAt(AT_FDCWD, target, undefined, status.mtime);
  }

  private whiteout(path: string): void {
    this.parent(path);
    this.linux.files.mknodAt(AT_FDCWD, join(this.upper, path), constants.S_IFCHR, 0, 0);
  }

  private parent(path: string): void {
    this.make(dirname(path));
  }

  private make(path: string): void {
    mkdirSync(join(this.upper, path), { recursive: true, mode: 0o755 });
  }

  private statusAt(path: string): FileStatus {
    const status = this.linux.files.statAt(AT_FDCWD, path);
    if (!status) throw new Error(`${basename(path)} has gone from its layer`);
    return status;
  }

  /** Of what lies there in this layer alone: where it has a link in the place of a directory, nothing is below it. */
  private statusOf(root: string, path: string): FileStatus | undefined {
    return this.hasDirectory(root, dirname(path))
      ? this.linux.files.statAt(AT_FDCWD, join(root, path))
      : undefined;
  }

  private hasDirectory(root: string, path: string): boolean {
    if (path === '.') return true;
    const key = join(root, path);
    let known = this.directories.get(key);
    if (known === undefined) {
      const status = this.statusOf(root, path);
      known = status !== undefined && isDirectory(status);
      this.directories.set(key, known);
    }
    return known;
  }
}

const isDirectory = (status: FileStatus): boolean => (status.mode & S_IFMT) === S_IFDIR;

const isSame = (a: FileStatus, b: FileStatus): boolean =>
  a.mode === b.mode &&
  a.uid === b.uid &&
  a.gid === b.gid &&
  a.mtime.seconds === b.mtime.seconds &&
  a.mtime.nanoseconds === b.mtime.nanoseconds;
