import { closeSync, constants, openSync } from 'node:fs';
import { posix } from 'node:path';
import { ArchiveUnpacker } from '@gantry/shared/archives';
import { hasCode, type Linux } from '@gantry/shared/linux';
import type { TarEntry, TarVisitor } from '@gantry/shared/tar';

/** Writes an archive into the empty directory of a volume: what it says of `./` becomes that directory's own. */
export class VolumeUnpacker implements TarVisitor {
  entries = 0;
  private readonly root: number;
  private readonly unpacker: ArchiveUnpacker;
  private top?: TarEntry;

  constructor(
    private readonly linux: Pick<Linux, 'files' | 'paths' | 'credentials'>,
    directory: string,
  ) {
    this.root = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    this.unpacker = new ArchiveUnpacker(linux, this.root, '/', { noOverwriteDirNonDir: false });
  }

  entry(entry: TarEntry): void {
    this.entries += 1;
    if (entry.type === 'directory' && posix.normalize(`${entry.name}/`) === './') this.top = entry;
    else this.unpacker.entry(entry);
  }

  content(bytes: Buffer): void {
    this.unpacker.content(bytes);
  }

  endOfEntry(): void {
    this.unpacker.endOfEntry();
  }

  finish(): void {
    this.unpacker.finish();
    if (!this.top) return;
    const { uid, gid, mode, mtime, xattrs } = this.top;
    const { files } = this.linux;
    files.chownAt(this.root, '.', uid, gid);
    for (const [attribute, value] of xattrs) {
      try {
        files.setXattrAt(this.root, '.', attribute, value);
      } catch (error) {
        if (!hasCode(error, 'EOPNOTSUPP', 'ENOTSUP', 'EPERM')) throw error;
      }
    }
    files.chmodAt(this.root, '.', mode);
    files.utimesAt(this.root, '.', mtime, mtime);
  }

  close(): void {
    this.unpacker.close();
    closeSync(this.root);
  }
}
