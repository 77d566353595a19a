import { closeSync, constants } from 'node:fs';
import { posix } from 'node:path';
import { ArchiveUnpacker, maybeDecompressed } from '@gantry/shared/archives';
import { EngineError, invalidArgument, messageOf } from '@gantry/shared/errors';
import { hasCode, type Linux } from '@gantry/shared/linux';
import { TarReader, type TarVisitor } from '@gantry/shared/tar';
import type { SourceTree } from '../context/source-tree';
import type { Owner } from './owner';
import type { Selected } from './selection';
import type { TargetRoot } from './target-root';

type Port = Pick<Linux, 'files' | 'paths' | 'credentials' | 'processes' | 'host'>;

const O_PATH = 0o10000000;

interface UnpackTarget {
  root: string;
  target: TargetRoot;
  /** Relative to the root, symlinks followed. */
  path: string;
  /** Of everything; undefined: as the archive says. */
  owner: Owner | undefined;
  signal: AbortSignal | undefined;
}

/** ADD of an archive: its content goes below the destination, which is made where it is missing. */
export async function unpackInto(
  linux: Port,
  { tree, path: source }: Selected,
  { root, target, path, owner, signal }: UnpackTarget,
): Promise<void> {
  target.makeDirectories(path, owner ?? { uid: 0, gid: 0 });
  const top = linux.paths.openInRoot(root, '.', O_PATH | constants.O_DIRECTORY);
  const options = { noOverwriteDirNonDir: false, ...(owner && { owner }) };
  const unpacker = new ArchiveUnpacker(linux, top, posix.join('/', path), options);
  try {
    const reader = new TarReader(unpacker);
    for await (const chunk of maybeDecompressed(linux, tree.content(source, signal))) reader.write(chunk);
    reader.end();
    unpacker.finish();
  } catch (error) {
    throw hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EEXIST', 'EINVAL')
      ? invalidArgument(`Error processing tar file: ${messageOf(error)}`, error)
      : error;
  } finally {
    unpacker.close();
    closeSync(top);
  }
}

/** Whether a file is a tar archive, compressed or not: its first header says so. */
export async function isArchive(linux: Port, tree: SourceTree, path: string): Promise<boolean> {
  if (tree.status(path)?.type !== 'file') return false;
  const seen = new FirstEntry();
  const reader = new TarReader(seen);
  try {
    for await (const chunk of maybeDecompressed(linux, tree.content(path))) {
      reader.write(chunk.subarray(0, 4096));
      if (seen.found || reader.ended) break;
    }
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'InvalidArgument') return seen.found;
    throw error;
  }
  return seen.found;
}

class FirstEntry implements TarVisitor {
  found = false;

  entry(): void {
    this.found = true;
  }

  content(): void {}

  endOfEntry(): void {}
}
