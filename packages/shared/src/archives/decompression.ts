import { createGunzip } from 'node:zlib';
import { internal, invalidArgument } from '../errors';
import type { Linux } from '../linux';
import { feed, throughProgram } from './through-program';

export type Compression = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

const MAGIC: [Compression, Buffer][] = [
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
  ['bzip2', Buffer.from('BZh')],
];
const LONGEST_MAGIC = 6;
/** A skippable frame, with which a zstd file may begin (RFC 8878, 3.1.2). */
const ZSTD_SKIPPABLE = /^[\x50-\x5f]\x2a\x4d\x18/;

/** Small ones are collected sooner: each is a buffer of its own. */
const CHUNK = 64 * 1024;
const READ_AHEAD = 512 * 1024;

const PROGRAMS = { gzip: 'igzip', zstd: 'zstd', xz: 'xz', bzip2: 'bzip2' } as const;

/** By the first bytes of a file. */
export function compressionOfHead(head: Buffer): Compression {
  if (ZSTD_SKIPPABLE.test(head.toString('latin1', 0, 4))) return 'zstd';
  return MAGIC.find(([, magic]) => head.subarray(0, magic.length).equals(magic))?.[0] ?? 'none';
}

type Port = Pick<Linux, 'host' | 'processes'>;

/**
 * The plain bytes of a compressed stream, by the host's programs: xz, zstd, bzip2, and for gzip igzip, which needs a third of
 * zlib's time. Where there is no igzip, zlib inflates in libuv's threads.
 * A buffer of `packed` is not used any more when the next one is asked for. @throws InvalidArgument for corrupt data.
 */
export function decompressed(
  linux: Port,
  compression: Exclude<Compression, 'none'>,
  packed: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const path = linux.host.which(PROGRAMS[compression]);
  const said = compression === 'gzip' ? () => 'invalid data' : undefined;
  if (path)
    return throughProgram(linux.processes, { name: compression, path, options: ['-d', '-c'], said }, packed);
  if (compression === 'gzip') return inflated(packed);
  throw internal(`${compression} is not installed on this host`);
}

/** The same for bytes that may be compressed or not. */
export async function* maybeDecompressed(linux: Port, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { head, all } = await peek(source);
  const compression = compressionOfHead(head);
  yield* compression === 'none' ? all : decompressed(linux, compression, all);
}

/** The bytes as zstd. @throws Internal where the host has no such program */
export function zstdCompressed(linux: Port, source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const path = linux.host.which('zstd');
  if (!path) throw internal('zstd is not installed on this host');
  return throughProgram(linux.processes, { name: 'zstd', path, options: ['-q', '-c'] }, source);
}

/** The first bytes, and the whole with them. */
async function peek(source: AsyncIterable<Buffer>): Promise<{ head: Buffer; all: AsyncGenerator<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < LONGEST_MAGIC) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  return { head, all: whole(head, iterator) };
}

async function* whole(head: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (head.length > 0) yield head;
    for (;;) {
      const { done, value } = await rest.next();
      if (done) return;
      yield value;
    }
  } finally {
    await rest.return?.();
  }
}

async function* inflated(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK, readableHighWaterMark: READ_AHEAD } as object);
  // An error of the source destroys the stream, which the reader below then sees.
  const feeding = feed(packed, gunzip).catch((error: Error) => gunzip.destroy(error));
  try {
    yield* gunzip as AsyncIterable<Buffer>;
  } catch (error) {
    const corrupt = /^Z_/.test(String((error as { code?: string }).code));
    throw corrupt ? invalidArgument('gzip: invalid data', error) : error;
  } finally {
    gunzip.destroy();
    await feeding;
  }
}
