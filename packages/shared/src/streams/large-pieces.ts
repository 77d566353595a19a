import type { Writable } from 'node:stream';

/** What a socket gives at a time is less than a tenth of this, and every piece costs as much as a large one. Bytes. */
const PIECE = 1024 * 1024;

/**
 * Hands the bytes of `source` to `write` in large pieces, reading on while one is being written. A piece is the writer's until
 * its promise resolves.
 */
export async function inLargePieces(
  source: AsyncIterable<Uint8Array>,
  write: (piece: Buffer) => Promise<void>,
): Promise<void> {
  let filling = Buffer.allocUnsafe(PIECE);
  let resting = Buffer.allocUnsafe(PIECE);
  let filled = 0;
  let writing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await writing;
    writing = write(filling.subarray(0, filled));
    // Whoever waits for it next sees it.
    writing.catch(() => {});
    [filling, resting] = [resting, filling];
    filled = 0;
  };
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length;) {
      const length = Math.min(PIECE - filled, chunk.length - at);
      filling.set(chunk.subarray(at, at + length), filled);
      at += length;
      filled += length;
      if (filled === PIECE) await flush();
    }
  }
  if (filled > 0) await flush();
  await writing;
}

/** Writes to a stream and waits until it has taken the bytes. @throws what broke the stream */
export function written(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error('the stream was closed'));
    stream.once('close', onClose);
    stream.write(bytes, (error) => {
      stream.removeListener('close', onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}
