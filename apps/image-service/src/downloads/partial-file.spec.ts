import { constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { BlobAnswer, Repository } from '../registry/registry';
import { mapOf, PartialFile } from './partial-file';
import { fetchSegment } from './segment-fetch';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'partial-'));
  path = join(directory, 'download');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const opened = async (size: number, segmentSize = 1000): Promise<PartialFile> =>
  PartialFile.open(path, await open(path, constants.O_RDWR | constants.O_CREAT, 0o600), size, segmentSize);
const bytes = (from: number, to: number): Buffer =>
  Buffer.from(Array.from({ length: to - from }, (_, i) => from + i));
const segment = (file: PartialFile, index: number) => {
  const found = file.segments[index];
  if (!found) throw new Error('no such segment');
  return found;
};

describe('a partial file', () => {
  it('of one segment is as far as its size says', async () => {
    writeFileSync(path, bytes(0, 30));
    const file = await opened(100);
    expect(file.segments).toEqual([{ start: 0, end: 100, have: 30 }]);
    await file.append(segment(file, 0), [bytes(30, 40), bytes(40, 50)]);
    await file.close();
    const again = await opened(100);
    expect(again.contiguous).toBe(50);
    expect(readFileSync(path).equals(bytes(0, 50))).toBe(true);
    await again.close();
  });

  it('of several segments knows how far each is, whatever order they come in', async () => {
    const file = await opened(25, 10);
    await file.append(segment(file, 2), [bytes(20, 25)]);
    await file.append(segment(file, 0), [bytes(0, 4)]);
    await file.close();
    const again = await opened(25, 99);
    expect(again.segments.map(({ have }) => have)).toEqual([4, 0, 5]);
    expect([again.contiguous, again.present]).toEqual([4, 9]);
    await again.append(segment(again, 0), [bytes(4, 10)]);
    await again.append(segment(again, 1), [bytes(10, 20)]);
    expect(again.contiguous).toBe(25);
    expect(readFileSync(path).equals(bytes(0, 25))).toBe(true);
    await again.close();
  });

  it('does not trust what is longer than the blob', async () => {
    writeFileSync(path, bytes(0, 60));
    const file = await opened(50);
    expect([file.contiguous, readFileSync(path).length]).toEqual([50, 50]);
    await file.close();
  });

  it('that was begun in one piece goes on in one piece', async () => {
    writeFileSync(path, bytes(0, 7));
    const file = await opened(25, 10);
    expect(file.segments).toEqual([{ start: 0, end: 25, have: 7 }]);
    expect(() => readFileSync(mapOf(path))).toThrow('ENOENT');
    await file.close();
  });
});

describe('fetching a segment', () => {
  const signal = new AbortController().signal;
  const hooks = { onBytes: () => {}, onRetry: () => {} };
  const asked: { from: number; to?: number }[] = [];
  const registry = (answer: (range: { from: number; to?: number }) => BlobAnswer) =>
    ({
      blob: async (_digest: string, range: { from: number; to?: number }) => {
        asked.push(range);
        return answer(range);
      },
    }) as unknown as Repository;
  beforeEach(() => asked.splice(0));

  it('goes on behind what it has when a connection breaks', async () => {
    const file = await opened(100);
    const repository = registry(({ from }) => ({
      offset: from,
      total: 100,
      body: Readable.from(
        (function* () {
          yield bytes(from, Math.min(from + 60, 100));
          if (from === 0) throw new Error('other side closed');
        })(),
      ),
    }));
    await fetchSegment(repository, 'sha256:0', file, segment(file, 0), hooks, signal);
    expect(asked).toEqual([{ from: 0 }, { from: 60 }]);
    expect(readFileSync(path).equals(bytes(0, 100))).toBe(true);
    await file.close();
  });

  it('has on disk what came, also while the registry stalls', async () => {
    const file = await opened(100);
    let goOn = () => {};
    const stalled = new Promise<void>((resolve) => (goOn = resolve));
    const repository = registry(() => ({
      offset: 0,
      total: 100,
      body: Readable.from(
        (async function* () {
          yield bytes(0, 40);
          await stalled;
          yield bytes(40, 100);
        })(),
      ),
    }));
    let fetched: Promise<void> | undefined;
    await new Promise<void>((onBytes) => {
      fetched = fetchSegment(repository, 'sha256:0', file, segment(file, 0), { ...hooks, onBytes }, signal);
    });
    expect(readFileSync(path).equals(bytes(0, 40))).toBe(true);
    goOn();
    await fetched;
    await file.close();
  });

  it('passes over what a registry without ranges sends', async () => {
    const file = await opened(30, 10);
    const repository = registry(() => ({ offset: 0, total: 30, body: Readable.from([bytes(0, 30)]) }));
    await fetchSegment(repository, 'sha256:0', file, segment(file, 1), hooks, signal);
    expect(asked).toEqual([{ from: 10, to: 19 }]);
    expect(readFileSync(path).subarray(10).equals(bytes(10, 20))).toBe(true);
    await file.close();
  });

  it.each([
    ['another size', { offset: 0, total: 31 }, 'has 31 bytes in the registry, but 30 in the manifest'],
    ['more than it said', { offset: 0 }, 'sent more than the 30 bytes'],
  ])('refuses %s', async (_what, answer, complaint) => {
    const file = await opened(30);
    const repository = registry(() => ({ ...answer, body: Readable.from([bytes(0, 40)]) }));
    const fetched = fetchSegment(repository, 'sha256:0', file, segment(file, 0), hooks, signal);
    await expect(fetched).rejects.toThrow(complaint);
    await file.close();
  });
});
