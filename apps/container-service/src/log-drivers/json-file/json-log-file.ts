import { closeSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { hasCode } from '@gantry/shared/linux';
import { compressLog } from '../../logs/compressed-log';
import { rotatedNumbers } from '../../logs/rotated-numbers';

/** How large the file may become, and how many are kept. */
export interface JsonFileCap {
  /** Bytes; absent: without end. */
  maxSize?: number;
  /** The one being written included. */
  maxFiles: number;
  compress: boolean;
}

/**
 * How far the file is ahead of the delivery's last checkpoint, by which a service that was killed knows what it need not
 * write again.
 */
export interface JsonFileMark {
  /** Of the file that was written then. */
  inode: number;
  /** Its size then. */
  size: number;
  /** What went to older files since the checkpoint. */
  ahead: number;
}

const NEWLINE = 0x0a;

/** The file at LogPath, rotated where dockerd would: before the line that comes after the cap is reached. */
export class JsonLogFile {
  private file?: FileHandle;
  private size = 0;
  private inode = 0;
  private compressing = Promise.resolve();

  constructor(
    private readonly path: string,
    private readonly cap: JsonFileCap,
    private readonly rotated: () => void,
  ) {}

  /** Opens it. Resolves with how many bytes of what comes after the checkpoint of `mark` are written already. */
  async open(mark?: JsonFileMark): Promise<number> {
    await this.openCurrent();
    if (!mark) return 0;
    if (mark.inode === this.inode) return mark.ahead + Math.max(0, this.size - mark.size);
    const before = sizeAndInode(`${this.path}.1`);
    if (before?.inode !== mark.inode) return mark.ahead;
    return mark.ahead + Math.max(0, before.size - mark.size) + this.size;
  }

  /** For a checkpoint here; or `ahead` bytes before. */
  mark(ahead = 0): JsonFileMark {
    return { inode: this.inode, size: this.size, ahead };
  }

  /** `lines` whole. `rotated` is called after each rotation in the middle with how much of them is in older files. */
  async append(lines: Buffer, rotated: (written: number) => void): Promise<void> {
    const { maxSize = Infinity } = this.cap;
    let rest = lines;
    while (rest.length > 0) {
      if (this.size >= maxSize) {
        await this.rotate();
        rotated(lines.length - rest.length);
      }
      const end = this.size + rest.length < maxSize ? rest.length : lineEnd(rest, maxSize - this.size);
      await this.file?.appendFile(rest.subarray(0, end));
      this.size += end;
      rest = rest.subarray(end);
    }
  }

  async close(): Promise<void> {
    await this.compressing;
    await this.file?.close();
    this.file = undefined;
  }

  private async openCurrent(): Promise<void> {
    this.file = await open(this.path, 'a', 0o640);
    const { size, ino } = await this.file.stat();
    [this.size, this.inode] = [size, ino];
  }

  /** All renames in one turn of the event loop, for who opens the files by their numbers. */
  private async rotate(): Promise<void> {
    // Somebody may have emptied it (`truncate -s 0`), as people do with logs of dockerd.
    const { size = 0 } = (await this.file?.stat()) ?? {};
    this.size = size;
    if (size < (this.cap.maxSize ?? Infinity)) return;
    await this.compressing;
    await this.file?.close();
    if (this.cap.maxFiles === 1) rmSync(this.path, { force: true });
    else this.shift();
    this.rotated();
    closeSync(openSync(this.path, 'a', 0o640));
    await this.openCurrent();
    if (this.cap.compress) this.compressing = compressLog(`${this.path}.1`).catch(() => {}); // tried again never: it is a log
  }

  private shift(): void {
    for (const age of rotatedNumbers(this.path).reverse()) {
      for (const suffix of ['', '.gz']) {
        const from = `${this.path}.${age}${suffix}`;
        if (!sizeAndInode(from)) continue;
        if (age >= this.cap.maxFiles - 1) rmSync(from);
        else renameSync(from, `${this.path}.${age + 1}${suffix}`);
      }
    }
    renameSync(this.path, `${this.path}.1`);
  }
}

/** Behind the first line that ends at `from` or later; a line that ends before leaves room for another. */
function lineEnd(lines: Buffer, from: number): number {
  const newline = lines.indexOf(NEWLINE, Math.max(0, from - 1));
  return newline < 0 ? lines.length : newline + 1;
}

function sizeAndInode(path: string): { size: number; inode: number } | undefined {
  try {
    const { size, ino } = statSync(path);
    return { size, inode: ino };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
