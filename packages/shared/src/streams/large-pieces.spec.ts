import { PassThrough } from 'node:stream';
import { inLargePieces, written } from './large-pieces';

async function* chunks(sizes: number[]): AsyncGenerator<Buffer> {
  let value = 0;
  for (const size of sizes) yield Buffer.alloc(size, value++);
}

describe('large pieces', () => {
  it.each([[[]], [[0, 1, 0]], [[700_000, 700_000, 700_000]], [[3_500_000]], [Array(40).fill(65_536)]])(
    'hands on every byte in its order (%#)',
    async (sizes: number[]) => {
      const pieces: Buffer[] = [];
      await inLargePieces(chunks(sizes), async (piece) => {
        await new Promise(setImmediate);
        pieces.push(Buffer.from(piece));
      });
      const all: Buffer[] = [];
      for await (const chunk of chunks(sizes)) all.push(chunk);
      expect(Buffer.concat(pieces).equals(Buffer.concat(all))).toBe(true);
      expect(pieces.slice(0, -1).every((piece) => piece.length === 1024 * 1024)).toBe(true);
    },
  );

  it('ends with what breaks the writer or the source', async () => {
    const broken = async () => Promise.reject(new Error('no room'));
    await expect(inLargePieces(chunks([1]), broken)).rejects.toThrow('no room');
    await expect(inLargePieces(chunks([3_000_000]), broken)).rejects.toThrow('no room');
    async function* source(): AsyncGenerator<Buffer> {
      yield Buffer.alloc(10);
      throw new Error('gone');
    }
    await expect(inLargePieces(source(), async () => {})).rejects.toThrow('gone');
  });

  it('does not wait for a stream that is gone', async () => {
    const stream = new PassThrough({ highWaterMark: 1 });
    const stuck = written(stream, Buffer.alloc(10));
    stream.destroy();
    await expect(stuck).rejects.toThrow();
    await expect(written(stream, Buffer.alloc(1))).rejects.toThrow();
  });
});
