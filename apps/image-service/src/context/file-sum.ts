import { createHash, type Hash } from 'node:crypto';
import type { SourceNode, SourceType } from './source-tree';

const FLAGS: Record<SourceType, string> = {
  file: '0',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** S_IFMT. */
const TYPE_BITS: Record<SourceType, number> = {
  file: 0o100000,
  symlink: 0o120000,
  character: 0o020000,
  block: 0o060000,
  directory: 0o040000,
  fifo: 0o010000,
};

interface Said {
  /** It is a second name of that file, as the archive calls it. */
  linkedTo?: string;
  /** It comes from a file system rather than from an archive: dockerd's headers say more then. */
  fromDisk?: boolean;
}

/**
 * A digest of what a tar header says of a file, to be followed by the file's bytes, as dockerd makes it (moby, pkg/tarsum,
 * version 1: without times). So the history says what dockerd's would.
 */
export function startSum(path: string, node: SourceNode, { linkedTo, fromDisk = false }: Said = {}): Hash {
  const hash = createHash('sha256');
  const fields: [string, string | number][] = [
    ['name', node.type === 'directory' ? `${path}/` : path],
    ['mode', fromDisk ? node.mode | TYPE_BITS[node.type] : node.mode],
    ['uid', node.uid],
    ['gid', node.gid],
    ['size', node.type === 'file' ? node.size : 0],
    ['typeflag', linkedTo === undefined ? FLAGS[node.type] : '1'],
    ['linkname', linkedTo ?? node.linkName],
    // dockerd looks other ids up on its host, where they are called differently everywhere.
    ['uname', fromDisk && node.uid === 0 ? 'root' : ''],
    ['gname', fromDisk && node.gid === 0 ? 'root' : ''],
    ['devmajor', node.major],
    ['devminor', node.minor],
  ];
  for (const [key, value] of fields) hash.update(`${key}${value}`);
  const attributes = [...node.xattrs].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, value] of attributes) hash.update(key).update(value);
  return hash;
}
