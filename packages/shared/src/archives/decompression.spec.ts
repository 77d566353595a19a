import { gzipSync } from 'node:zlib';
import { createLinux } from '../linux';
import { decompressed, maybeDecompressed, zstdCompressed } from './decompression';

const linux = createLinux();
const wrongChecksum = (packed: Buffer) => packed.fill(0, packed.length - 8, packed.length - 4);
const withoutPrograms = { processes: linux.processes, host: { ...linux.host, which: () => undefined } };
const plain = Buffer.from('a layer '.repeat(100_000));

async function* pieces(packed: Buffer, size = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < packed.length; at += size) yield packed.subarray(at, at + size);
}

async function* slowlyBegun(packed: Buffer): AsyncGenerator<Buffer> {
  yield* pieces(packed.subarray(0, 4), 1);
  yield* pieces(packed.subarray(4));
}

async function all(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  const kept: Buffer[] = [];
  for await (const part of parts) kept.push(Buffer.from(part));
  return Buffer.concat(kept);
}

describe.each([
  ['by igzip', linux],
  ['by zlib', withoutPrograms],
])('gzip %s', (_, port) => {
  const inflate = (packed: Buffer) => all(decompressed(port, 'gzip', pieces(packed)));

  it('is inflated', async () => {
    expect((await inflate(gzipSync(plain))).equals(plain)).toBe(true);
  });

  it('may have several members', async () => {
    const halves = [plain.subarray(0, 70_000), plain.subarray(70_000)];
    const packed = Buffer.concat(halves.map((half) => gzipSync(half)));
    expect((await inflate(packed)).equals(plain)).toBe(true);
  });

  it.each([
    ['cut short', gzipSync(plain).subarray(0, -100)],
    ['corrupt', gzipSync(plain).fill(0xff, 200, 300)],
    ['of a wrong checksum', wrongChecksum(gzipSync(plain))],
  ])('is refused when %s', async (_what, packed) => {
    await expect(inflate(packed)).rejects.toMatchObject({
      kind: 'InvalidArgument',
      message: 'gzip: invalid data',
    });
  });

  it('ends with its reader', async () => {
    for await (const part of decompressed(port, 'gzip', pieces(gzipSync(plain)))) {
      expect(part.length).toBeGreaterThan(0);
      break;
    }
  });
});

it('says which program is missing', () => {
  expect(() => decompressed(withoutPrograms, 'xz', pieces(plain))).toThrow(
    'xz is not installed on this host',
  );
});

describe('what may be compressed or not', () => {
  it.each([
    ['plain', async () => plain],
    ['plain and short', async () => Buffer.from('ab')],
    ['nothing', async () => Buffer.alloc(0)],
    ['gzip', async () => gzipSync(plain)],
    ['zstd', () => all(zstdCompressed(linux, pieces(plain)))],
  ])('is given as it was: %s', async (name, packed) => {
    const expected = ['plain and short', 'nothing'].includes(name) ? await packed() : plain;
    const given = await all(maybeDecompressed(linux, slowlyBegun(await packed())));
    expect(given.equals(expected)).toBe(true);
  });

  it('lets go of its source with its reader', async () => {
    let released = false;
    async function* source() {
      try {
        yield* pieces(plain);
      } finally {
        released = true;
      }
    }
    for await (const part of maybeDecompressed(linux, source())) if (part.length > 0) break;
    expect(released).toBe(true);
  });
});
