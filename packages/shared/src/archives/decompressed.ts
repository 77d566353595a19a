import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { PassThrough, Readable, pipeline, type Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { internal, invalidArgument, messageOf } from '../errors';
import { hasCode, type Linux } from '../linux';

const MAGIC: [string, Buffer][] = [
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
  ['bzip2', Buffer.from('BZh')],
];
const LONGEST_MAGIC = 6;

/**
 * The bytes of an archive that may be compressed, here on the host, before anything of the container is touched.
 * @throws InvalidArgument when they are corrupt
 */
export async function* decompressed(
  linux: Pick<Linux, 'processes' | 'host'>,
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const { head, all } = await peek(source);
  const kind = MAGIC.find(([, magic]) => head.subarray(0, magic.length).equals(magic))?.[0];
  if (!kind) return yield* all;
  try {
    const through = kind === 'gzip' ? createGunzip() : undefined;
    yield* through ? piped(all, through) : throughProgram(linux, [kind, '-d', '-c'], all);
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('Z_'))
      throw invalidArgument(`gzip: ${messageOf(error)}`, error);
    throw error;
  }
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
  if (head.length > 0) yield head;
  for (;;) {
    const { done, value } = await rest.next();
    if (done) return;
    yield value;
  }
}

async function* piped(source: AsyncIterable<Buffer>, through: Transform): AsyncGenerator<Buffer> {
  // The error of either end comes out of the iteration.
  pipeline(Readable.from(source), through, () => {});
  yield* through as AsyncIterable<Buffer>;
}

/** The bytes as zstd. @throws Internal where the host has no such program */
export function zstdCompressed(
  linux: Pick<Linux, 'processes' | 'host'>,
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  return throughProgram(linux, ['zstd', '-q', '-c'], source);
}

/** xz, bzip2 and zstd by the host's programs, which Node does not have, or not in every version. */
async function* throughProgram(
  linux: Pick<Linux, 'processes' | 'host'>,
  argv: [string, ...string[]],
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const [program] = argv;
  const path = linux.host.which(program);
  if (!path) throw internal(`${program} is not installed on this host`);
  const [stdin, feed] = linux.processes.pipe();
  const [output, stdout] = linux.processes.pipe();
  let pid: number;
  try {
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C' };
    pid = linux.processes.spawn({ path, argv, env, fds: { 0: stdin, 1: stdout } });
  } finally {
    closeSync(stdin);
    closeSync(stdout);
  }
  let failure: unknown;
  pipeline(Readable.from(source), new Socket({ fd: feed, readable: false, writable: true }), (error) => {
    // A program that ends early shows in its exit code.
    if (error && !hasCode(error, 'EPIPE')) failure = error;
  });
  const reader = new PassThrough();
  pipeline(linux.processes.reader(output), reader, () => {});
  yield* reader as AsyncIterable<Buffer>;
  const { code } = await linux.processes.wait(pid);
  if (failure) throw failure;
  if (code !== 0) throw invalidArgument(`${program}: the archive is corrupt`);
}
