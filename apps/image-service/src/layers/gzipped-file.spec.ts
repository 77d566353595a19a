import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readGzipped } from './gzipped-file';

describe('a gzip file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gzipped-'));
  const file = join(directory, 'file.gz');
  const content = Buffer.alloc(3_000_000, 'gantry');

  beforeAll(() => writeFileSync(file, gzipSync(content)));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const openOnes = () =>
    readdirSync('/proc/self/fd').filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === file;
      } catch {
        return false; // the one that lists them
      }
    });

  it('is read whole', async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of readGzipped(file)) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
  });

  it('is closed where its reader stops early', async () => {
    for await (const chunk of readGzipped(file, 1024)) {
      expect(chunk.length).toBe(1024);
      break;
    }
    while (openOnes().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });

  it('that is not there, or broken, is an error of the reading', async () => {
    const read = async (path: string) => {
      for await (const chunk of readGzipped(path)) expect(chunk).toBeDefined();
    };
    await expect(read(join(directory, 'nothing.gz'))).rejects.toMatchObject({ code: 'ENOENT' });
    writeFileSync(join(directory, 'broken.gz'), gzipSync(content).subarray(0, 500));
    await expect(read(join(directory, 'broken.gz'))).rejects.toThrow('unexpected end of file');
  });
});
