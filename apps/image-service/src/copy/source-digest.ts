import { createHash } from 'node:crypto';
import { resolveInTree, type SourceTree, walkTree } from '../context/source-tree';
import type { Selected, Selection } from './selection';

/** The digests of a selection (moby, builder/dockerfile/copy.go). */
export async function digestsOf(
  items: readonly Selected[],
  signal?: AbortSignal,
): Promise<Pick<Selection, 'digest' | 'key'>> {
  const digests: string[] = [];
  const more = createHash('sha256');
  for (const item of items) {
    signal?.throwIfAborted();
    const { tree, path, name } = item;
    const key: string[] = [name, item.unpack ? 'unpack' : '', tree.status(path)?.linkedSum ?? ''];
    const prefix = item.isDownload ? '' : 'file:';
    digests.push(item.isDirectory ? await directoryDigest(item, key) : prefix + (await tree.sum(path)));
    more.update(JSON.stringify(key));
  }
  const digest = digests.length === 1 ? (digests[0] ?? '') : listDigest('multi', digests);
  return { digest, key: `${digest}:${more.digest('hex')}` };
}

/** Entries count as what they lead to; where they lead is left to `key`. */
async function directoryDigest({ tree, path: top, isExcluded }: Selected, key: string[]): Promise<string> {
  // The directory counts too, unless it is the whole context, which has no entry.
  const sums: string[] = top === '' ? [] : [await followedSum(tree, top)];
  for (const { path, node } of walkTree(tree, top)) {
    if (isExcluded(path)) continue;
    if (node.type === 'symlink') key.push(path, node.linkName);
    if (node.linkedSum !== undefined) key.push(path, node.linkedSum);
    sums.push(await followedSum(tree, path));
  }
  return listDigest('dir', sums.sort());
}

async function followedSum(tree: SourceTree, path: string): Promise<string> {
  const target = resolveInTree(tree, path);
  // dockerd takes the path of what is not there, or has no entry of its own in the archive, for its digest.
  return (tree.status(target) && (await tree.sum(target))) || path;
}

function listDigest(prefix: string, digests: string[]): string {
  return `${prefix}:${createHash('sha256').update(digests.join(',')).digest('hex')}`;
}
