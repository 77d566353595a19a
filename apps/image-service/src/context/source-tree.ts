import type { TarEntry } from '@gantry/shared/tar';

export type SourceType = 'file' | 'directory' | 'symlink' | 'fifo' | 'character' | 'block';

/** A file as COPY sees it. */
export interface SourceNode extends Pick<
  TarEntry,
  'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'linkName' | 'major' | 'minor' | 'xattrs'
> {
  type: SourceType;
  /** Equal for all names of one file; undefined where it has one name only. */
  identity?: string;
  /** Where {@link SourceTree.sum} says nothing of the content, because it stands under another name: the sum of that one. */
  linkedSum?: string;
}

/**
 * What COPY and ADD take from: the build context, or the files of a stage or image. Paths are relative to its top, without
 * dots and slashes at their ends; the top is `''`. No directory on the way is a symlink: {@link resolveInTree} sees to that.
 */
export interface SourceTree {
  /** Whether owners are kept: of a build context nobody may say whose its files are. */
  readonly keepsOwners: boolean;
  /** Of the file itself, also where it is a symlink. */
  status(path: string): SourceNode | undefined;
  /** The names in a directory, in the order of their bytes. */
  names(path: string): string[];
  /** dockerd's digest of a file or directory entry, without its time (moby, pkg/tarsum version 1), in hex. */
  sum(path: string): Promise<string>;
  /** The bytes of a file. */
  content(path: string, signal?: AbortSignal): AsyncIterable<Buffer>;
  close(): void;
}

const MAX_LINKS = 255;

/** Where a path leads when symlinks are followed inside the tree; the end of it need not exist. @throws nothing */
export function resolveInTree(
  tree: Pick<SourceTree, 'status'>,
  path: string,
  { followLast = true } = {},
): string {
  const waiting = components(path);
  const done: string[] = [];
  for (let links = 0; waiting.length > 0;) {
    const name = waiting.shift() ?? '';
    if (name === '..') {
      done.pop();
      continue;
    }
    const here = [...done, name].join('/');
    const node = waiting.length > 0 || followLast ? tree.status(here) : undefined;
    // A loop leads nowhere: there is no such file then.
    if (node?.type !== 'symlink' || ++links > MAX_LINKS) {
      done.push(name);
      continue;
    }
    if (node.linkName.startsWith('/')) done.length = 0;
    waiting.unshift(...components(node.linkName));
  }
  return done.join('/');
}

/** All that is below a directory, itself not: parents before what is in them. Symlinks are not followed. */
export function* walkTree(tree: SourceTree, top: string): Generator<{ path: string; node: SourceNode }> {
  for (const name of tree.names(top)) {
    const path = top === '' ? name : `${top}/${name}`;
    const node = tree.status(path);
    if (!node) continue;
    yield { path, node };
    if (node.type === 'directory') yield* walkTree(tree, path);
  }
}

export function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}
