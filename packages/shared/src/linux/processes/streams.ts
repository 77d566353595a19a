import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { check, libc } from '../native';

const pipe2 = libc.declare('int pipe2(void *fds, int flags)');
const O_CLOEXEC = 0o2000000;

/** [read end, write end], both O_CLOEXEC. */
export function openPipe(): [number, number] {
  const ends = Buffer.alloc(8);
  check(pipe2(ends, O_CLOEXEC), 'pipe2');
  return [ends.readInt32LE(0), ends.readInt32LE(4)];
}

export function readStream(fd: number): Readable {
  return new Socket({ fd, readable: true, writable: false });
}

export function writeStream(fd: number): Writable {
  return new Socket({ fd, readable: false, writable: true });
}

/** Writes everything and closes; a reader that goes away early is no error. */
export function writeAndClose(fd: number, data: string | Buffer): void {
  const stream = writeStream(fd);
  stream.on('error', () => stream.destroy());
  stream.end(data, () => stream.destroy());
}

export function readFirstLine(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const finish = (): void => {
      const text = Buffer.concat(chunks).toString('utf8');
      const end = text.indexOf('\n');
      resolve(end < 0 ? text : text.slice(0, end));
    };
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (!chunk.includes(10)) return;
      finish();
      stream.destroy();
    });
    stream.on('error', reject);
    stream.on('close', finish);
  });
}

/** Reads to the end; what is beyond `maxBytes` is read and dropped, so that the writer never blocks. */
export function readToEnd(stream: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let room = maxBytes;
    stream.on('data', (chunk: Buffer) => {
      if (room <= 0) return;
      chunks.push(chunk.subarray(0, room));
      room -= chunk.length;
    });
    stream.on('error', reject);
    stream.on('close', () => resolve(Buffer.concat(chunks)));
  });
}
