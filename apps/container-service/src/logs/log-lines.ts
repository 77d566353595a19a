import type { OpenLog } from './open-log';

/** What is read at once; at first less, so that who waits sees something soon. Bytes. */
const BLOCK = 512 * 1024;
const FIRST_BLOCK = 32 * 1024;
const BLOCK_BACKWARDS = 32 * 1024;
const NEWLINE = 0x0a;

/**
 * The complete lines of a file from `position` to its present end, a block of them at a time; a line whose newline is not
 * there yet is left for the next time. `position` afterwards stands behind the last line handed out.
 */
export class LogFileReader {
  private buffer = Buffer.allocUnsafe(FIRST_BLOCK);

  constructor(
    readonly file: OpenLog,
    public position = 0,
  ) {}

  /** Whole lines with their newlines, valid until the next call; empty at the end. */
  async next(): Promise<Buffer> {
    for (;;) {
      const block = this.buffer;
      const length = await this.file.read(block, this.position);
      const end = block.subarray(0, length).lastIndexOf(NEWLINE) + 1;
      if (length === block.length && (end === 0 || length < BLOCK))
        this.buffer = Buffer.allocUnsafe(2 * length);
      if (end > 0) {
        this.position += end;
        return block.subarray(0, end);
      }
      if (length < block.length) return Buffer.alloc(0);
    }
  }
}

/** The lines in a block of whole lines, without their newlines. */
export function* linesOf(block: Buffer): Generator<Buffer> {
  for (let at = 0; at < block.length;) {
    const end = block.indexOf(NEWLINE, at);
    yield block.subarray(at, end);
    at = end + 1;
  }
}

/** Behind the last complete line of a file: the writer may be in the middle of one. */
export async function lastLineEnd(file: OpenLog): Promise<number> {
  for (let end = await file.size(); end > 0;) {
    const block = Buffer.allocUnsafe(Math.min(BLOCK_BACKWARDS, end));
    await file.read(block, end - block.length);
    const newline = block.lastIndexOf(NEWLINE);
    if (newline >= 0) return end - block.length + newline + 1;
    end -= block.length;
  }
  return 0;
}

/** The complete lines of a file, the last one first, with the position of each. Reads only as far as they are taken. */
export async function* linesBackwards(file: OpenLog): AsyncGenerator<{ line: Buffer; start: number }> {
  let blockStart = await file.size();
  /** What follows the block: the rest of a line whose beginning is further up. undefined: no newline seen yet. */
  let rest: Buffer | undefined;
  while (blockStart > 0) {
    const length = Math.min(BLOCK_BACKWARDS, blockStart);
    blockStart -= length;
    const block = Buffer.allocUnsafe(length);
    await file.read(block, blockStart);
    let end = length;
    for (;;) {
      const newline = end === 0 ? -1 : block.lastIndexOf(NEWLINE, end - 1);
      if (newline < 0) break;
      if (rest) {
        const line = Buffer.concat([block.subarray(newline + 1, end), rest]);
        yield { line, start: blockStart + newline + 1 };
      }
      rest = Buffer.alloc(0);
      end = newline;
    }
    if (rest) rest = Buffer.concat([block.subarray(0, end), rest]);
  }
  if (rest) yield { line: rest, start: 0 };
}
