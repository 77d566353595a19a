import { createHash } from 'node:crypto';
import { tarOf } from '../support/busybox-image';

const MIB = 1024 * 1024;
/** Of every layer, beside the rest in large files. */
const SMALL_FILES = 400;
const SMALL_SIZE = 8 * 1024;
const LARGE_FILES = 12;

/** Layers of `mib` MiB each: many small files, some large ones, about half of it compressible, as programs and libraries are. */
export async function largeLayers(count: number, mib: number): Promise<Buffer[]> {
  const layers: Buffer[] = [];
  for (let index = 0; index < count; index += 1) layers.push(await layerOf(index, mib * MIB));
  return layers;
}

async function layerOf(index: number, bytes: number): Promise<Buffer> {
  const largeSize = Math.floor((bytes - SMALL_FILES * SMALL_SIZE) / LARGE_FILES);
  const file = (kind: string, number: number, size: number) => ({
    header: { name: `layer${index}/${kind}${number % 10}/f${number}`, mtime: new Date(1_600_000_000_000) },
    body: contentOf(`${index}/${kind}/${number}`, size),
  });
  return tarOf([
    ...Array.from({ length: SMALL_FILES }, (_, number) => file('small', number, SMALL_SIZE)),
    ...Array.from({ length: LARGE_FILES }, (_, number) => file('large', number, largeSize)),
  ]);
}

/** The same for the same seed: blocks that do not compress between blocks that repeat. */
function contentOf(seed: string, size: number): Buffer {
  const content = Buffer.alloc(size);
  let block = createHash('sha512').update(seed).digest();
  for (let at = 0; at < size; at += block.length * 2) {
    block = createHash('sha512').update(block).digest();
    block.copy(content, at);
    content.fill(block[0] ?? 0, at + block.length, at + block.length * 2);
  }
  return content;
}
