import { constants, existsSync, fstatSync, readFileSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** A piece of a blob that is fetched by one request at a time. Bytes. */
export interface Segment {
  readonly start: number;
  /** Behind its last byte. */
  readonly end: number;
  /** How many of its bytes, from its start, are on disk. */
  have: number;
}

const COUNT = 8;

/**
 * A blob that is arriving: `<name>` holds the bytes, at their places. A blob of one segment needs no more: what the file's
 * size says is there. Several arrive side by side, and `<name>.map` says how far each is: the size of a segment and then
 * one count each (64 bits, little endian), written behind the bytes. Both survive a `kill -9` at any moment.
 */
export class PartialFile {
  private constructor(
    readonly path: string,
    readonly size: number,
    readonly segments: Segment[],
    private readonly data: FileHandle,
    private readonly map: FileHandle | undefined,
  ) {}

  /** `data` has to be open for reading and writing; it is closed with this. */
  static async open(path: string, data: FileHandle, size: number, segmentSize: number): Promise<PartialFile> {
    const mapPath = mapOf(path);
    const present = fstatSync(data.fd).size;
    const known = readMap(mapPath);
    // What was begun in one piece goes on in one piece, and what was begun in several in those.
    if (!known && (size <= segmentSize || present > 0)) {
      if (present > size) await data.truncate(size);
      const whole = { start: 0, end: size, have: Math.min(present, size) };
      return new PartialFile(path, size, [whole], data, undefined);
    }
    const step = known?.step ?? segmentSize;
    const segments: Segment[] = [];
    for (let start = 0; start < size; start += step) {
      const end = Math.min(start + step, size);
      segments.push({ start, end, have: Math.min(known?.counts[segments.length] ?? 0, end - start) });
    }
    const map = await open(mapPath, constants.O_RDWR | constants.O_CREAT, 0o600);
    writeSync(map.fd, encode(step), 0, COUNT, 0);
    return new PartialFile(path, size, segments, data, map);
  }

  /** Bytes from the beginning without a hole. */
  get contiguous(): number {
    for (const { start, end, have } of this.segments) if (start + have < end) return start + have;
    return this.size;
  }

  get present(): number {
    return this.segments.reduce((sum, segment) => sum + segment.have, 0);
  }

  /** Adds the next bytes of a segment; the bytes first, then what says that they are there. */
  async append(segment: Segment, chunks: Buffer[]): Promise<void> {
    for (let rest = chunks; rest.length > 0;) {
      const { bytesWritten } = await this.data.writev(rest, segment.start + segment.have);
      segment.have += bytesWritten;
      this.note(segment);
      const left = rest.reduce((sum, chunk) => sum + chunk.length, 0) - bytesWritten;
      rest = left > 0 ? [Buffer.concat(rest).subarray(-left)] : [];
    }
  }

  async close(): Promise<void> {
    await this.data.close();
    await this.map?.close();
  }

  private note(segment: Segment): void {
    if (!this.map) return;
    const position = COUNT * (1 + this.segments.indexOf(segment));
    writeSync(this.map.fd, encode(segment.have), 0, COUNT, position);
  }
}

export const mapOf = (path: string): string => `${path}.map`;

function encode(value: number): Buffer {
  const bytes = Buffer.alloc(COUNT);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function readMap(path: string): { step: number; counts: number[] } | undefined {
  const bytes = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const values = Array.from({ length: Math.floor(bytes.length / COUNT) }, (_, i) =>
    Number(bytes.readBigUInt64LE(i * COUNT)),
  );
  const [step = 0, ...counts] = values;
  return step > 0 ? { step, counts } : undefined;
}
