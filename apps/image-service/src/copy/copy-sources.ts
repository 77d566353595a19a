import { posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { invalidArgument, messageOf } from '@gantry/shared/errors';
import { hasCode, type Linux } from '@gantry/shared/linux';
import { type SourceNode, walkTree } from '../context/source-tree';
import type { AddInstruction, CopyInstruction } from '../dockerfile/dockerfile';
import { type ChangeMode, parseMode } from './file-mode';
import { type Owner, parseOwner } from './owner';
import type { Selected, Selection } from './selection';
import { TargetRoot } from './target-root';
import { unpackInto } from './unpack-source';

type Port = Pick<Linux, 'files' | 'paths' | 'credentials' | 'processes' | 'host'>;

export interface CopyTarget {
  /** Where the image in the making is mounted. */
  root: string;
  /** Of the image; where a relative destination begins. */
  workingDirectory: string;
  signal?: AbortSignal;
}

const ROOT: Owner = { uid: 0, gid: 0 };
/** Files between two looks at what else there is to do. */
const BREATH = 200;

/**
 * Puts what is selected where an instruction, variables put in, wants it (Dockerfile reference, COPY and ADD).
 * @throws InvalidArgument as dockerd words it
 */
export async function copySources(
  linux: Port,
  { items }: Selection,
  instruction: CopyInstruction | AddInstruction,
  { root, workingDirectory, signal }: CopyTarget,
): Promise<void> {
  const { chown, chmod, destination, parents } = instruction;
  checkDestination(instruction, items.length);
  const target = new TargetRoot(linux, root);
  try {
    const copier = new Copier(
      target,
      chown === '' ? undefined : parseOwner(linux, root, chown),
      chmod === '' ? undefined : parseMode(chmod),
      signal,
    );
    const wanted = posix.resolve('/', workingDirectory, destination);
    const isDirectory = parents || /(?:^|\/)\.?$/.test(destination);
    for (const item of items) {
      const path = target.resolve(wanted);
      if (item.unpack) await unpackInto(linux, item, { root, target, path, owner: copier.chown, signal });
      else if (parents) await copier.copyWithParents(item, path);
      else await copier.copy(item, path, isDirectory || target.isDirectory(path));
    }
  } catch (error) {
    // A symlink of the image that leads nowhere, a name that is too long.
    throw hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')
      ? invalidArgument(`${instruction.kind.toUpperCase()} failed: ${messageOf(error)}`, error)
      : error;
  } finally {
    target.close();
  }
}

/** Several sources need a directory to go to. */
export function checkDestination(
  { kind, destination }: CopyInstruction | AddInstruction,
  count: number,
): void {
  if (count > 1 && !destination.endsWith('/')) {
    throw invalidArgument(
      `When using ${kind.toUpperCase()} with more than one source file, the destination must be a directory and end with a /`,
    );
  }
}

class Copier {
  /** Where in the target each of the files with several names is. */
  private readonly linked = new Map<string, string>();
  private count = 0;

  constructor(
    private readonly target: TargetRoot,
    readonly chown: Owner | undefined,
    private readonly chmod: ChangeMode | undefined,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async copy(item: Selected, path: string, intoDirectory: boolean): Promise<void> {
    this.linked.clear();
    if (item.isDirectory) return this.copyDirectory(item, path);
    const to = intoDirectory ? posix.join(path, item.name) : path;
    const above = posix.dirname(to);
    this.target.makeDirectories(above === '.' ? '' : above, this.chown ?? ROOT);
    if (!item.isExcluded(item.path)) await this.copyFile(item, item.path, to);
  }

  /** The directories on the way are copied too, and a directory itself. */
  async copyWithParents(item: Selected, path: string): Promise<void> {
    const { tree, path: source, name, isDirectory } = item;
    this.target.makeDirectories(path, this.chown ?? ROOT);
    const all = name.split('/').filter(Boolean);
    const names = isDirectory ? all : all.slice(0, -1);
    const top = source.split('/').slice(0, source.split('/').length - all.length);
    for (let depth = 1; depth <= names.length; depth++) {
      const node = tree.status([...top, ...names.slice(0, depth)].join('/'));
      const to = posix.join(path, ...names.slice(0, depth));
      if (node?.type === 'directory') this.target.make(to, this.changed(node));
      else this.target.makeDirectories(to, this.chown ?? ROOT);
    }
    await this.copy(item, isDirectory ? posix.join(path, ...all) : posix.join(path, name), false);
  }

  /** What is in a directory; of itself only that it is there. */
  private async copyDirectory(item: Selected, path: string): Promise<void> {
    const above = posix.dirname(path);
    this.target.makeDirectories(above === '.' ? '' : above, ROOT);
    if (this.target.makeDirectories(path, this.chown ?? ROOT) && this.chmod) {
      this.target.setMode(path, this.chmod(0o755, true));
    }
    const directories: [string, SourceNode][] = [];
    for (const { path: source, node } of walkTree(item.tree, item.path)) {
      if (++this.count % BREATH === 0) await setImmediate();
      this.signal?.throwIfAborted();
      if (item.isExcluded(source)) continue;
      const below = item.path === '' ? source : source.slice(item.path.length + 1);
      const to = posix.join(path, below);
      if (node.type === 'directory') directories.push([to, node]);
      await this.copyFile(item, source, to);
    }
    // What was put into them has changed their times.
    for (const [to, node] of directories.reverse()) this.target.setTime(to, node);
  }

  private async copyFile({ tree }: Selected, source: string, to: string): Promise<void> {
    const found = tree.status(source);
    if (!found) return;
    const node = this.changed(found);
    const first = found.identity === undefined ? undefined : this.linked.get(found.identity);
    if (first !== undefined) this.target.link(to, first, node);
    else if (node.type === 'file') await this.target.writeFile(to, node, tree.content(source, this.signal));
    else this.target.make(to, node);
    if (found.identity !== undefined) this.linked.set(found.identity, to);
  }

  private changed(node: SourceNode): SourceNode {
    const isDirectory = node.type === 'directory';
    return {
      ...node,
      ...this.chown,
      ...(this.chmod && { mode: this.chmod(node.mode, isDirectory) }),
    };
  }
}
