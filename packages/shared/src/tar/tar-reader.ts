import { BLOCK, type TarEntry, decodeHeader, isZeroBlock, tarError, utf8 } from './tar-header';
import { applyPax, parsePax, type PaxRecords } from './pax-records';

/** What the reader tells of a tar stream, in its order. All bytes of the stream come by in `raw` or `content`. */
export interface TarVisitor {
  /** Header blocks, padding and the end: everything that is no file content. */
  raw?(bytes: Buffer): void;
  entry(entry: TarEntry): void;
  /** Content of the last entry; the buffer is the visitor's only during the call. */
  content(bytes: Buffer): void;
  /** After the last byte of an entry's content. */
  endOfEntry(): void;
}

/** GNU long names and PAX headers: nothing sane is longer. Bytes. */
const MAX_META_SIZE = 1024 * 1024;

/**
 * An incremental tar parser: ustar, GNU and PAX. It takes chunks as they come and calls its visitor synchronously, so it
 * works the same in a worker's plain loop and behind an async stream. Errors are InvalidArgument `archive/tar: ...`.
 */
export class TarReader {
  private readonly block = Buffer.alloc(BLOCK);
  private filled = 0;
  private contentLeft = 0;
  private paddingLeft = 0;
  private meta?: { flag: string; parts: Buffer[]; left: number };
  private longName?: string;
  private longLink?: string;
  private pax?: PaxRecords;
  private globalPax: PaxRecords = new Map();
  private zeroBlocks = 0;
  private inEntry = false;
  private entries = 0;

  constructor(private readonly visitor: TarVisitor) {}

  /** Whether the end of the archive has been seen: what follows is no part of it. */
  get ended(): boolean {
    return this.zeroBlocks >= 2;
  }

  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.ended) {
        this.visitor.raw?.(chunk.subarray(at));
        return;
      }
      if (this.contentLeft > 0) at += this.takeContent(chunk.subarray(at, at + this.contentLeft));
      else if (this.meta) at += this.takeMeta(chunk.subarray(at, at + this.meta.left));
      else if (this.paddingLeft > 0) at += this.takePadding(chunk.subarray(at, at + this.paddingLeft));
      else at += this.takeHeader(chunk, at);
    }
  }

  /**
   * The padding of the last file may be missing, as the end of the archive may: the docker CLI leaves both out of a context
   * whose Dockerfile is elsewhere.
   * @throws when the archive stops in the middle of something.
   */
  end(): void {
    const inTheMiddle = this.filled > 0 || this.contentLeft > 0 || this.meta;
    const announced = this.pax ?? this.longName ?? this.longLink;
    if (inTheMiddle || announced !== undefined)
      throw tarError(this.entries === 0 ? 'invalid tar header' : 'unexpected EOF');
  }

  private takeContent(bytes: Buffer): number {
    this.visitor.content(bytes);
    this.contentLeft -= bytes.length;
    if (this.contentLeft === 0) this.finishEntry();
    return bytes.length;
  }

  private takePadding(bytes: Buffer): number {
    this.visitor.raw?.(bytes);
    this.paddingLeft -= bytes.length;
    return bytes.length;
  }

  private takeMeta(bytes: Buffer): number {
    const meta = this.meta;
    if (!meta) return 0;
    this.visitor.raw?.(bytes);
    meta.parts.push(Buffer.from(bytes));
    meta.left -= bytes.length;
    if (meta.left === 0) this.finishMeta();
    return bytes.length;
  }

  private takeHeader(chunk: Buffer, at: number): number {
    let block: Buffer = this.block;
    let taken: number;
    if (this.filled === 0 && chunk.length - at >= BLOCK) {
      block = chunk.subarray(at, at + BLOCK);
      taken = BLOCK;
    } else {
      taken = Math.min(BLOCK - this.filled, chunk.length - at);
      chunk.copy(this.block, this.filled, at, at + taken);
      this.filled += taken;
      if (this.filled < BLOCK) return taken;
      this.filled = 0;
    }
    this.visitor.raw?.(block);
    this.header(block);
    return taken;
  }

  private header(block: Buffer): void {
    if (isZeroBlock(block)) {
      this.zeroBlocks++;
      return;
    }
    this.zeroBlocks = 0;
    const header = decodeHeader(block);
    if (header.size < 0) throw tarError('invalid tar header');
    if ('xgLK'.includes(header.flag)) {
      if (header.size > MAX_META_SIZE) throw tarError('header field too long');
      this.paddingLeft = padding(header.size);
      this.meta = { flag: header.flag, parts: [], left: header.size };
      if (header.size === 0) this.finishMeta();
      return;
    }
    if (header.flag === 'S') throw tarError('sparse files are not supported');
    applyPax(header, this.globalPax);
    if (this.longName !== undefined) header.name = this.longName;
    if (this.longLink !== undefined) header.linkName = this.longLink;
    if (this.pax) applyPax(header, this.pax);
    this.longName = this.longLink = this.pax = undefined;
    this.begin(header);
  }

  private begin(entry: TarEntry): void {
    // Before POSIX a directory was a file whose name ends with a slash.
    if (entry.type === 'file' && entry.name.endsWith('/')) entry.type = 'directory';
    // Only files have content; a size on anything else is an old writer's noise, except where the type is unknown.
    const size = entry.type === 'file' || entry.type === 'other' ? entry.size : 0;
    entry.size = size;
    this.entries++;
    this.inEntry = true;
    this.contentLeft = size;
    this.paddingLeft = padding(size);
    this.visitor.entry(entry);
    if (size === 0) this.finishEntry();
  }

  private finishEntry(): void {
    if (!this.inEntry) return;
    this.inEntry = false;
    this.visitor.endOfEntry();
  }

  private finishMeta(): void {
    const meta = this.meta;
    if (!meta) return;
    this.meta = undefined;
    const data = Buffer.concat(meta.parts);
    if (meta.flag === 'x') this.pax = parsePax(data);
    else if (meta.flag === 'g') this.globalPax = new Map([...this.globalPax, ...parsePax(data)]);
    else {
      const end = data.indexOf(0);
      const value = utf8(end < 0 ? data : data.subarray(0, end));
      if (meta.flag === 'L') this.longName = value;
      else this.longLink = value;
    }
  }
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;
