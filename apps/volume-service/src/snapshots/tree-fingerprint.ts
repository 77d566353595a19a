import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Linux } from '@gantry/shared/linux';

const { O_DIRECTORY, O_RDONLY, S_IFDIR, S_IFMT, S_IFREG } = constants;

const LOOKS_IN_A_ROW = 200;

export interface TreeFingerprint {
  /** The same as long as nothing in the tree has changed. */
  hash: string;
  /** Of the files together, one with several links counted once. */
  bytes: number;
  entries: number;
}

/** Looks at everything in an open directory without reading it. */
export async function fingerprintTree(
  { files }: Pick<Linux, 'files'>,
  directory: number,
): Promise<TreeFingerprint> {
  const hash = createHash('sha256');
  const total = { bytes: 0, entries: 0, linked: new Set<bigint>() };
  await addDirectory(files, directory, '', hash, total);
  return { bytes: total.bytes, entries: total.entries, hash: hash.digest('hex') };
}

async function addDirectory(
  files: Linux['files'],
  directory: number,
  path: string,
  hash: Hash,
  total: { bytes: number; entries: number; linked: Set<bigint> },
): Promise<void> {
  for (const name of readdirSync(`/proc/self/fd/${directory}`).sort()) {
    const status = files.statAt(directory, name);
    if (!status) continue;
    const { device, inode, mode, changed, size, links } = status;
    hash.update(`${path}/${name}\0${device}:${inode}:${mode}:${changed}\0`);
    total.entries += 1;
    // The rest of the service has its turn too.
    if (total.entries % LOOKS_IN_A_ROW === 0) await setImmediate();
    const type = mode & S_IFMT;
    if (type === S_IFREG && !total.linked.has(inode)) total.bytes += size;
    if (links > 1) total.linked.add(inode);
    if (type !== S_IFDIR) continue;
    const opened = files.openAt(directory, name, O_RDONLY | O_DIRECTORY);
    try {
      await addDirectory(files, opened, `${path}/${name}`, hash, total);
    } finally {
      closeSync(opened);
    }
  }
}
