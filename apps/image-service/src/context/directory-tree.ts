import { closeSync, constants, createReadStream, readdirSync } from 'node:fs';
import { posix } from 'node:path';
import { hasCode, type Linux } from '@gantry/shared/linux';
import { byBytes } from './archive-tree';
import { startSum } from './file-sum';
import type { SourceNode, SourceTree, SourceType } from './source-tree';

const O_PATH = 0o10000000;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } =
  constants;

/** Sockets are nothing an image can hold. */
const TYPES: Record<number, SourceType> = {
  [S_IFREG]: 'file',
  [S_IFDIR]: 'directory',
  [S_IFLNK]: 'symlink',
  [S_IFBLK]: 'block',
  [S_IFCHR]: 'character',
  [S_IFIFO]: 'fifo',
};
const CAPABILITY = 'security.capability';
/** Bytes. */
const PIECE = 1024 * 1024;

/** The files of a stage or image where they are mounted, or a context that came as files. Every path is resolved by the kernel below the top. */
export class DirectoryTree implements SourceTree {
  private readonly root: number;

  constructor(
    private readonly linux: Pick<Linux, 'files' | 'paths'>,
    directory: string,
    readonly keepsOwners: boolean,
  ) {
    this.root = linux.paths.openInRoot(directory, '.', O_PATH | O_DIRECTORY);
  }

  status(path: string): SourceNode | undefined {
    if (path === '') return this.nodeAt(this.root, '.');
    return this.inDirectory(path, (parent, name) => this.nodeAt(parent, name));
  }

  names(path: string): string[] {
    const opened = this.linux.paths.openInRoot(this.root, path, O_RDONLY | O_DIRECTORY);
    try {
      return readdirSync(`/proc/self/fd/${opened}`).sort(byBytes);
    } finally {
      closeSync(opened);
    }
  }

  async sum(path: string): Promise<string> {
    const node = this.status(path);
    if (!node) return '';
    const hash = startSum(path, node, { fromDisk: true });
    if (node.type === 'file') for await (const chunk of this.content(path)) hash.update(chunk);
    return hash.digest('hex');
  }

  async *content(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const fd = this.linux.paths.openInRoot(this.root, path, O_RDONLY | O_NOFOLLOW);
    yield* createReadStream('', {
      fd,
      highWaterMark: PIECE,
      ...(signal && { signal }),
    }) as AsyncIterable<Buffer>;
  }

  close(): void {
    closeSync(this.root);
  }

  private nodeAt(parent: number, name: string): SourceNode | undefined {
    const status = this.linux.files.statAt(parent, name);
    const type = status && TYPES[status.mode & S_IFMT];
    if (!status || !type) return undefined;
    const { uid, gid, size, mtime, links, device, inode, major, minor } = status;
    const isDevice = type === 'block' || type === 'character';
    return {
      type,
      mode: status.mode & 0o7777,
      uid: this.keepsOwners ? uid : 0,
      gid: this.keepsOwners ? gid : 0,
      size: type === 'file' ? size : 0,
      mtime,
      linkName: type === 'symlink' ? this.linux.files.readlinkAt(parent, name) : '',
      major: isDevice ? major : 0,
      minor: isDevice ? minor : 0,
      xattrs: type === 'file' ? this.capability(parent, name) : new Map(),
      ...(links > 1 && type !== 'directory' && { identity: `${device}:${inode}` }),
    };
  }

  private capability(parent: number, name: string): Map<string, Buffer> {
    const value = this.linux.files.getXattrAt(parent, name, CAPABILITY);
    return new Map(value ? [[CAPABILITY, value]] : []);
  }

  private inDirectory<T>(path: string, action: (parent: number, name: string) => T): T | undefined {
    let parent: number;
    try {
      parent = this.linux.paths.openInRoot(this.root, posix.dirname(path), O_PATH | O_DIRECTORY);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      throw error;
    }
    try {
      return action(parent, posix.basename(path));
    } finally {
      closeSync(parent);
    }
  }
}
