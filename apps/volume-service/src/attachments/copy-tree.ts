import { closeSync, constants, readdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { hasCode, type FileStatus, type Linux } from '@gantry/shared/linux';

const { S_IFMT, S_IFDIR, S_IFREG, S_IFLNK, O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_DIRECTORY, O_NONBLOCK } =
  constants;

/** An open directory on each side, and its path below the top. */
interface Pair {
  from: number;
  to: number;
  path: string;
}

/**
 * Copies what is in the directory `from` into the empty directory `to` (both descriptors), and makes `to` itself alike:
 * content, modes, owners, extended attributes, times, symlinks, hard links, devices, FIFOs and sockets. Works on directory
 * descriptors throughout, so that no symlink leads it anywhere else.
 */
export async function copyTree(linux: Linux, from: number, to: number): Promise<void> {
  const status = linux.files.statAt(from, '.');
  if (!status) return;
  await new TreeCopy(linux, to).directory({ from, to, path: '' }, status);
}

class TreeCopy {
  /** Where a file with several links was copied to, by inode. */
  private readonly linked = new Map<string, string>();

  constructor(
    private readonly linux: Linux,
    private readonly top: number,
  ) {}

  async directory(pair: Pair, status: FileStatus): Promise<void> {
    for (const name of readdirSync(`/proc/self/fd/${pair.from}`)) await this.entry(pair, name);
    this.attributes(pair, '.', status);
  }

  private async entry(pair: Pair, name: string): Promise<void> {
    const { files } = this.linux;
    const status = files.statAt(pair.from, name);
    if (!status) return;
    const type = status.mode & S_IFMT;
    if (type === S_IFDIR) return this.subdirectory(pair, name, status);
    if (status.links > 1 && this.linkToCopy(pair, name, status)) return;
    if (type === S_IFREG) await this.file(pair, name);
    else if (type === S_IFLNK) files.symlinkAt(files.readlinkAt(pair.from, name), pair.to, name);
    else files.mknodAt(pair.to, name, type | 0o600, status.major, status.minor);
    this.attributes(pair, name, status);
  }

  private async subdirectory(pair: Pair, name: string, status: FileStatus): Promise<void> {
    const { files } = this.linux;
    files.mkdirAt(pair.to, name, 0o700);
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
        await copyFile(`/proc/self/fd/${from}`, `/proc/self/fd/${to}`);
      } finally {
        closeSync(to);
      }
    } finally {
      closeSync(from);
    }
  }

  /** True when another link of the file is there already, and this one now is too. */
  private linkToCopy(pair: Pair, name: string, { device, inode }: FileStatus): boolean {
    const { files, paths } = this.linux;
    const key = `${device}:${inode}`;
    const copied = this.linked.get(key);
    if (copied === undefined) {
      this.linked.set(key, posix.join(pair.path, name));
      return false;
    }
    const directory = paths.openInRoot(this.top, posix.dirname(copied), O_RDONLY | O_DIRECTORY);
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
}
