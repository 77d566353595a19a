import type { Hash } from 'node:crypto';
import { closeSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import { invalidArgument } from '@gantry/shared/errors';
import { type TarEntry, TarReader, type TarVisitor } from '@gantry/shared/tar';
import { componentsOf, shown } from '../layers/layer-path';
import { startSum } from './file-sum';
import { resolveInTree, type SourceNode, type SourceTree } from './source-tree';

const readAsync = promisify(read);

/** PATH_MAX of Linux. Characters. */
const MAX_PATH = 4096;
/** Bytes read at a time. */
const PIECE = 1024 * 1024;

interface Entry {
  node: SourceNode;
  /** Of the content in the archive. */
  offset: number;
  sum: string;
  /** Of a directory. */
  names: Set<string>;
}

const TOP: SourceNode = {
  type: 'directory',
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  linkName: '',
  major: 0,
  minor: 0,
  xattrs: new Map(),
};

/**
 * A build context as the tar archive it came in. It is read once, to know where each file is and what its digest is, and is
 * never unpacked: nothing that an archive says can lead anywhere on the host.
 */
export class ArchiveTree implements SourceTree {
  readonly keepsOwners = false;

  private constructor(
    private readonly fd: number,
    private readonly entries: Map<string, Entry>,
  ) {}

  /**
   * `path`: an uncompressed archive, which may go once this is open.
   * @throws InvalidArgument for what is no archive, names outside of it, and more entries than `maxEntries`
   */
  static async open(path: string, maxEntries: number, signal?: AbortSignal): Promise<ArchiveTree> {
    const fd = openSync(path, 'r');
    try {
      const index = new ArchiveIndex(maxEntries);
      const reader = new TarReader(index);
      for await (const chunk of pieces(fd, 0, Infinity, signal)) reader.write(chunk);
      reader.end();
      return new ArchiveTree(fd, index.entries);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  status(path: string): SourceNode | undefined {
    return this.entries.get(path)?.node;
  }

  names(path: string): string[] {
    return [...(this.entries.get(path)?.names ?? [])].sort(byBytes);
  }

  sum(path: string): Promise<string> {
    return Promise.resolve(this.entries.get(path)?.sum ?? '');
  }

  async *content(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const entry = this.entries.get(path);
    if (entry) yield* pieces(this.fd, entry.offset, entry.node.size, signal);
  }

  close(): void {
    closeSync(this.fd);
  }
}

export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

async function* pieces(
  fd: number,
  offset: number,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, size));
  for (let at = 0; at < size;) {
    signal?.throwIfAborted();
    const { bytesRead } = await readAsync(fd, buffer, 0, Math.min(buffer.length, size - at), offset + at);
    if (bytesRead === 0) {
      if (size === Infinity) return;
      throw invalidArgument('archive/tar: unexpected EOF');
    }
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Every byte comes by here once. */
class ArchiveIndex implements TarVisitor {
  readonly entries = new Map<string, Entry>([
    ['', { node: TOP, offset: 0, sum: '', names: new Set<string>() }],
  ]);
  private position = 0;
  private count = 0;
  private current?: { entry: Entry; hash: Hash };

  constructor(private readonly maxEntries: number) {}

  raw(bytes: Buffer): void {
    this.position += bytes.length;
  }

  entry(entry: TarEntry): void {
    if (++this.count > this.maxEntries) {
      throw invalidArgument(`context has more than ${this.maxEntries} files (GANTRY_LAYER_MAX_ENTRIES)`);
    }
    this.current = undefined;
    if (entry.type === 'global' || entry.type === 'other') return;
    // No file system has such a name, and a map of all directories on the way would not end.
    if (entry.name.length > MAX_PATH) {
      throw invalidArgument(`Error processing tar file: ${shown(entry.name)}: file name too long`);
    }
    const names = componentsOf(entry.name);
    const name = names.pop();
    const parent = this.directory(names, entry.name);
    if (entry.type === 'link') this.link(entry, parent, name);
    else if (name !== undefined) this.add(entry as SourceNode, parent, name);
    else if (entry.type === 'directory') (this.entries.get('') as Entry).node = nodeOf(entry as SourceNode);
  }

  content(bytes: Buffer): void {
    this.position += bytes.length;
    this.current?.hash.update(bytes);
  }

  endOfEntry(): void {
    if (this.current) this.current.entry.sum = this.current.hash.digest('hex');
    this.current = undefined;
  }

  private add(entry: SourceNode, parent: string, name: string): void {
    const path = parent === '' ? name : `${parent}/${name}`;
    const node = nodeOf(entry);
    const existing = this.entries.get(path);
    const merged = existing?.node.type === 'directory' && node.type === 'directory';
    if (existing && !merged) this.forget(path);
    const added: Entry = {
      node,
      offset: this.position,
      sum: '',
      names: merged ? existing.names : new Set<string>(),
    };
    this.put(path, added);
    this.current = { entry: added, hash: startSum(path, node) };
  }

  /** A second name of a file, with a digest as if it stood there itself. */
  private link(entry: TarEntry, parent: string, name: string | undefined): void {
    const target = resolveInTree(this.tree, componentsOf(entry.linkName, 'hard link target').join('/'), {
      followLast: false,
    });
    const found = this.entries.get(target);
    if (!found || found.node.type === 'directory' || name === undefined) {
      throw invalidArgument(`Error processing tar file: invalid hard link ${shown(entry.linkName)}`);
    }
    found.node.identity ??= target;
    const path = parent === '' ? name : `${parent}/${name}`;
    if (path === target) return;
    if (this.entries.has(path)) this.forget(path);
    const sum = startSum(path, { ...found.node, size: 0 }, { linkedTo: entry.linkName }).digest('hex');
    const node = { ...found.node, linkedSum: found.node.linkedSum ?? found.sum };
    this.put(path, { ...found, node, sum, names: new Set() });
  }

  /** A directory on the way, made where it is missing. */
  private directory(names: string[], shownName: string): string {
    const path = resolveInTree(this.tree, names.join('/'));
    let above = '';
    for (const name of path === '' ? [] : path.split('/')) {
      const here = above === '' ? name : `${above}/${name}`;
      const known = this.entries.get(here);
      if (known && known.node.type !== 'directory') {
        throw invalidArgument(`Error processing tar file: ${shown(shownName)}: not a directory`);
      }
      if (!known) this.put(here, { node: TOP, offset: 0, sum: '', names: new Set() });
      above = here;
    }
    return path;
  }

  private readonly tree = { status: (path: string) => this.entries.get(path)?.node };

  private put(path: string, entry: Entry): void {
    this.entries.set(path, entry);
    const slash = path.lastIndexOf('/');
    this.entries.get(path.slice(0, Math.max(slash, 0)))?.names.add(path.slice(slash + 1));
  }

  private forget(path: string): void {
    for (const name of this.entries.get(path)?.names ?? []) this.forget(`${path}/${name}`);
    this.entries.delete(path);
  }
}

/** Owners of a context do not count: the docker CLI sends 0 for all. */
function nodeOf(entry: SourceNode): SourceNode {
  const { type, mode, size, mtime, linkName, major, minor, xattrs } = entry;
  return { type, mode, uid: 0, gid: 0, size, mtime, linkName, major, minor, xattrs };
}
