import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { dataLoss } from '@gantry/shared/errors';
import type { Linux } from '@gantry/shared/linux';
import { type TarEntry, type TarVisitor } from '@gantry/shared/tar';
import { readGzipped } from './gzipped-file';

/**
 * Everything of a layer archive that is not file content: with it the very bytes of the archive can be made again from the
 * unpacked layer, without keeping a second copy. A gzip stream of records: type (1 byte), length (4), payload.
 */
const RAW = 1;
/** Payload: size of the content (8), then the name of the file below the layer's root. */
const CONTENT = 2;

const BATCH = 1024 * 1024;
const PIECE = 256 * 1024;
/** Of a record: type and length. */
const HEAD = 5;

export class TarSplitWriter implements TarVisitor {
  private readonly fd: number;
  private batch: Buffer[] = [];
  private batchSize = 0;

  constructor(path: string) {
    this.fd = openSync(path, 'wx', 0o600);
  }

  raw(bytes: Buffer): void {
    this.add(RAW, Buffer.from(bytes));
  }

  entry(entry: TarEntry): void {
    if (entry.size === 0) return;
    const payload = Buffer.alloc(8 + Buffer.byteLength(entry.name));
    payload.writeBigUInt64BE(BigInt(entry.size), 0);
    payload.write(entry.name, 8);
    this.add(CONTENT, payload);
  }

  content(): void {}
  endOfEntry(): void {}

  close(): void {
    this.flush();
    closeSync(this.fd);
  }

  private add(type: number, payload: Buffer): void {
    const head = Buffer.alloc(5);
    head.writeUInt8(type, 0);
    head.writeUInt32BE(payload.length, 1);
    this.batch.push(head, payload);
    this.batchSize += payload.length;
    if (this.batchSize > BATCH) this.flush();
  }

  private flush(): void {
    if (this.batch.length === 0) return;
    const packed = gzipSync(Buffer.concat(this.batch), { level: 1 });
    for (let at = 0; at < packed.length;) at += writeSync(this.fd, packed, at);
    this.batch = [];
    this.batchSize = 0;
  }
}

/** The bytes of the archive again, in pieces of one size. @throws DataLoss where a file of the layer is not what it was. */
export async function* reassemble(
  linux: Pick<Linux, 'paths'>,
  splitFile: string,
  diff: string,
): AsyncGenerator<Buffer> {
  const gathered = new Gathered();
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of readGzipped(splitFile, PIECE)) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (let end = endOfRecord(rest, at); end <= rest.length; end = endOfRecord(rest, at)) {
      const payload = rest.subarray(at + HEAD, end);
      if (rest.readUInt8(at) === RAW) gathered.copy(payload);
      else yield* contentOf(linux, diff, payload, gathered);
      while (gathered.hasFull()) yield gathered.take();
      at = end;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0) throw dataLoss(`${splitFile} ends in the middle of a record`);
  yield gathered.last();
}

/** Beyond the end of `bytes` when the record is not whole. */
function endOfRecord(bytes: Buffer, at: number): number {
  if (bytes.length - at < HEAD) return Infinity;
  return at + HEAD + bytes.readUInt32BE(at + 1);
}

function* contentOf(
  linux: Pick<Linux, 'paths'>,
  diff: string,
  payload: Buffer,
  gathered: Gathered,
): Generator<Buffer> {
  const name = payload.toString('utf8', 8);
  const fd = linux.paths.openInRoot(
    diff,
    name,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  try {
    for (let left = Number(payload.readBigUInt64BE(0)); left > 0;) {
      const length = gathered.read(fd, left);
      if (length === 0) throw dataLoss(`the layer's file ${name} is shorter than it was`);
      left -= length;
      while (gathered.hasFull()) yield gathered.take();
    }
  } finally {
    closeSync(fd);
  }
}

/** Makes large pieces of many small ones: what a piece costs on its way is the same for both. */
class Gathered {
  private current = Buffer.allocUnsafeSlow(PIECE);
  private filled = 0;
  private readonly full: Buffer[] = [];

  copy(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const length = bytes.copy(this.current, this.filled, at);
      at += length;
      this.advance(length);
    }
  }

  /** At most `wanted` bytes of a file, and no more than the piece has room for. Returns how many. */
  read(fd: number, wanted: number): number {
    const length = readSync(fd, this.current, this.filled, Math.min(wanted, PIECE - this.filled), null);
    this.advance(length);
    return length;
  }

  hasFull(): boolean {
    return this.full.length > 0;
  }

  take(): Buffer {
    return this.full.shift() ?? Buffer.alloc(0);
  }

  last(): Buffer {
    return this.current.subarray(0, this.filled);
  }

  private advance(length: number): void {
    this.filled += length;
    if (this.filled < PIECE) return;
    this.full.push(this.current);
    this.current = Buffer.allocUnsafeSlow(PIECE);
    this.filled = 0;
  }
}
