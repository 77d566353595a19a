import { closeSync, createReadStream, fstatSync, openSync, read, readSync, unlinkSync, write } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { hasCode } from '@gantry/shared/linux';

/** A file of a log. It stays the one that was opened, whatever becomes of its name. */
export interface OpenLog {
  /** Bytes that there are by now. */
  size(): Promise<number> | number;
  /** As read(2): at most as many bytes as `buffer` has, fewer only at the end. Bytes read. */
  read(buffer: Buffer, position: number): Promise<number>;
  close(): void;
}

/** So few bytes, mostly of what was just written, are here sooner than a thread is woken to get them. */
const READ_AT_ONCE = 64 * 1024;

const readAt = promisify(read);
const writeAt = promisify(write);

/** Opens a log, which may have been compressed to `path.gz`; undefined when it is gone. */
export function openLog(path: string): OpenLog | undefined {
  const plain = openIfThere(path);
  if (plain !== undefined) return new PlainLog(plain);
  const compressed = openIfThere(`${path}.gz`);
  return compressed === undefined ? undefined : new CompressedLog(compressed, path);
}

class PlainLog implements OpenLog {
  private users = 0;
  private closed = false;

  constructor(private readonly fd: number) {}

  size(): Promise<number> | number {
    return fstatSync(this.fd).size;
  }

  read(buffer: Buffer, position: number): Promise<number> {
    return this.using(async (fd) => {
      if (position >= fstatSync(fd).size) return 0;
      if (buffer.length <= READ_AT_ONCE) return readSync(fd, buffer, 0, buffer.length, position);
      return (await readAt(fd, buffer, 0, buffer.length, position)).bytesRead;
    });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.closeUnused();
  }

  /** A number that is closed under a read may be another file's by the time it is read. */
  protected async using<T>(work: (fd: number) => Promise<T>): Promise<T> {
    this.users++;
    try {
      return await work(this.fd);
    } finally {
      this.users--;
      if (this.closed) this.closeUnused();
    }
  }

  private closeUnused(): void {
    if (this.users === 0) closeSync(this.fd);
  }
}

/**
 * Decompressed into a file without a name, so that it can be read from any place and in both directions. What is there is
 * read while the rest still comes.
 */
class CompressedLog extends PlainLog {
  private readonly leaving = new AbortController();
  private readonly unpacking: Promise<void>;
  private unpacked = 0;
  private done = false;
  private waiting: (() => void)[] = [];

  constructor(compressed: number, path: string) {
    super(openNameless(path));
    this.unpacking = this.using((fd) => this.unpack(compressed, fd)).finally(() => {
      this.done = true;
      this.wake();
    });
    this.unpacking.catch(() => {}); // who reads is told
  }

  override async size(): Promise<number> {
    await this.unpacking;
    return this.unpacked;
  }

  override async read(buffer: Buffer, position: number): Promise<number> {
    while (!this.done && this.unpacked < position + buffer.length) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    if (this.done) await this.unpacking;
    return super.read(buffer, position);
  }

  override close(): void {
    this.leaving.abort();
    super.close();
  }

  private unpack(compressed: number, fd: number): Promise<void> {
    const store = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of chunks) {
        await writeAt(fd, chunk, 0, chunk.length, this.unpacked);
        this.unpacked += chunk.length;
        this.wake();
      }
    };
    const { signal } = this.leaving;
    return pipeline(createReadStream('', { fd: compressed }), createGunzip(), store, { signal });
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

let decompressions = 0;

function openNameless(path: string): number {
  const name = `${path}.reading-${process.pid}-${(decompressions += 1)}`;
  const fd = openSync(name, 'wx+', 0o600);
  unlinkSync(name);
  return fd;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
