import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadInstanceConfig } from '@gantry/shared/config';
import { createLinux } from '@gantry/shared/linux';
import { BlobStore, digestOf } from './blob-store';

const linux = createLinux();
const bytes = Buffer.from('bytes');
const digest = digestOf(bytes);
let dataRoot: string;
let blobs: BlobStore;

beforeEach(() => {
  dataRoot = mkdtempSync(join(tmpdir(), 'blobs-'));
  blobs = new BlobStore(loadInstanceConfig({ GANTRY_DATA_ROOT: dataRoot }), linux);
});
afterEach(() => rmSync(dataRoot, { recursive: true, force: true }));

/** As if nobody had relied on the blob for a minute. */
const age = () => {
  const then = new Date(Date.now() - 60_000);
  utimesSync(blobs.path(digest), then, then);
};

describe('blobs', () => {
  it('keeps what is put, under its digest and nothing else', () => {
    expect(blobs.put(bytes, digest)).toBe(digest);
    expect(blobs.put(bytes)).toBe(digest);
    expect(readFileSync(blobs.path(digest))).toEqual(bytes);
    expect(blobs.size(digest)).toBe(bytes.length);
    expect(() => blobs.put(Buffer.from('others'), digest)).toThrow(/^blob digest is sha256:.* not /);
    expect(readdirSync(blobs.ingest)).toEqual([]);
    expect(() => blobs.path('sha256:../x')).toThrow('unsupported digest');
  });

  it('adopts a file of ingest/, in place of a blob that may be broken', async () => {
    blobs.put(bytes);
    writeFileSync(blobs.path(digest), 'broken');
    const file = blobs.temporaryPath();
    writeFileSync(file, bytes);
    await blobs.adopt(file, digest);
    const parts: Buffer[] = [];
    for await (const part of blobs.read(digest, 2)) parts.push(part as Buffer);
    expect(Buffer.concat(parts).toString()).toBe('tes');
    expect(existsSync(file)).toBe(false);
  });

  it('dismisses what nobody has relied on since', () => {
    blobs.put(bytes);
    age();
    const seen = new Date();
    expect(blobs.dismiss(digest, seen)).toBe(true);
    expect(blobs.has(digest)).toBe(false);
    expect(blobs.dismiss(digest, seen)).toBe(false);
    expect(blobs.claim(digest)).toBe(false);
    expect(readdirSync(blobs.ingest)).toEqual([]);
  });

  it.each(['put', 'claim'] as const)('keeps what somebody has %s since', (how) => {
    blobs.put(bytes);
    age();
    const seen = new Date();
    if (how === 'put') blobs.put(bytes);
    else expect(blobs.claim(digest)).toBe(true);
    expect(blobs.dismiss(digest, seen)).toBe(false);
    expect(blobs.has(digest)).toBe(true);
  });

  it('tells what is in ingest/ and whose it is', () => {
    for (const name of ['upload-a', 'download-ab.part', 'job-1-1-00', 'other']) {
      writeFileSync(join(blobs.ingest, name), '');
    }
    writeFileSync(blobs.temporaryPath(), '');
    const kinds = blobs.listIngest().map((file) => [file.kind, file.inWork]);
    expect(kinds.sort()).toEqual(
      [
        ['upload', false],
        ['download', false],
        ['own', false],
        ['unknown', false],
        ['own', true],
      ].sort(),
    );
    expect(() => blobs.uploadPath('../x')).toThrow('invalid upload id');
  });
});
