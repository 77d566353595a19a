import { closeSync, constants, createReadStream, openSync, readSync, writeSync } from 'node:fs';
import { createGunzip, gzipSync } from 'node:zlib';
import { dataLoss } from '@gantry/shared/errors';
import type { Linux } from '@gantry/shared/linux';
import { type TarEntry, type TarVisitor } from '@gantry/shared/tar';

/**
 * Everything of a layer archive that is not file content: with it the very bytes of the archive can be made again from the
 * unpacked layer, without keeping a second copy. A gzip stream of records: type (1 byte), length (4), payload.
 */
const RAW = 1;
/** Payload: size of the content (8), then the name of the file below the layer's root. */
const CONTENT = 2;

const BATCH = 1024 * 1024;
const READ_SIZE = 1024 * 1024;

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

/** The bytes of the archive again. @throws DataLoss where a file of the layer is not what it was. */
export async function* reassemble(
  linux: Pick<Linux, 'paths'>,
  splitFile: string,
  diff: string,
): AsyncGenerator<Buffer> {
  for await (const { type, payload } of records(splitFile)) {
    if (type === RAW) yield payload;
    else {
      const size = Number(payload.readBigUInt64BE(0));
      yield* contentOf(linux, diff, payload.toString('utf8', 8), size);
    }
  }
}

async function* records(path: string): AsyncGenerator<{ type: number; payload: Buffer }> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(path).pipe(createGunzip()) as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 5) {
      const length = rest.readUInt32BE(at + 1);
      if (rest.length - at - 5 < length) break;
      yield { type: rest.readUInt8(at), payload: rest.subarray(at + 5, at + 5 + length) };
      at += 5 + length;
    }
    rest = rest.subarray(at);
  }
}

function* contentOf(
  linux: Pick<Linux, 'paths'>,
  diff: string,
  name: string,
  size: number,
): Generator<Buffer> {
  const fd = linux.paths.openInRoot(
    diff,
    name,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  );
  try {
    for (let left = size; left > 0;) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, left));
      const length = readSync(fd, buffer, 0, buffer.length, null);
      if (length === 0) throw dataLoss(`the layer's file ${name} is shorter than it was`);
      left -= length;
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}
