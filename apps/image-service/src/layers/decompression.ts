import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { createGunzip } from 'node:zlib';
import { internal, invalidArgument } from '@gantry/shared/errors';
import { hasCode, type Linux } from '@gantry/shared/linux';

export type Compression = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

const MAGIC: [Compression, Buffer][] = [
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
  ['bzip2', Buffer.from('BZh')],
];
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
  const program = linux.host.which(PROGRAMS[compression]);
  if (program) return throughProgram(linux, { program, compression }, packed);
  if (compression === 'gzip') return inflated(packed);
  throw internal(`${compression} is not installed on this host`);
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

type Sink = NodeJS.WritableStream & { destroyed: boolean };

/** Each buffer is done with before the next one is asked for. */
async function feed(packed: AsyncIterable<Buffer>, sink: Sink): Promise<void> {
  for await (const chunk of packed) {
    if (sink.destroyed) return;
    await new Promise<void>((resolve) => {
      sink.once('close', resolve);
      sink.write(chunk, () => {
        sink.removeListener('close', resolve);
        resolve();
      });
    });
  }
  if (!sink.destroyed) sink.end();
}

async function* throughProgram(
  linux: Port,
  { program, compression }: { program: string; compression: Compression },
  packed: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const { processes } = linux;
  const [input, feedEnd] = processes.pipe();
  const [output, outputEnd] = processes.pipe();
  const [errors, errorsEnd] = processes.pipe();
  let pid: number;
  try {
    pid = processes.spawn({
      path: program,
      argv: [program, '-d', '-c'],
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
      fds: { 0: input, 1: outputEnd, 2: errorsEnd },
    });
  } finally {
    for (const fd of [input, outputEnd, errorsEnd]) closeSync(fd);
  }
  const ended = processes.wait(pid);
  const said = processes.readAll(errors);
  const sink = new Socket({ fd: feedEnd, readable: false, writable: true });
  // It ended early: its exit code says why.
  sink.on('error', () => sink.destroy());
  let broken: unknown;
  const feeding = feed(packed, sink).catch((error: unknown) => {
    broken = error;
    sink.destroy();
  });
  const plain = processes.reader(output);
  try {
    yield* plain as AsyncIterable<Buffer>;
    await feeding;
    if (broken !== undefined) throw broken;
    const { code, signal } = await ended;
    if (code === 0) return;
    if (compression === 'gzip') throw invalidArgument('gzip: invalid data');
    const detail = (await said).toString('utf8').trim() || `ended with ${signal ?? code}`;
    throw invalidArgument(`${compression}: ${detail.split('\n').at(-1)?.replace(`${program}: `, '')}`);
  } catch (error) {
    if (hasCode(error, 'ERR_STREAM_PREMATURE_CLOSE') && broken !== undefined) throw broken;
    throw error;
  } finally {
    // A program whose pipes are closed ends.
    plain.destroy();
    sink.destroy();
    await feeding;
  }
}
