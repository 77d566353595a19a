import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Linux } from '@gantry/shared/linux';
import { LogCursor, tailOf } from '../../logs/log-files';
import { linesOf } from '../../logs/log-lines';
import type { ContainerRecord } from '../../records/container-record';
import type { LogSink } from '../log-driver';
import { jsonFileDriver } from './json-file-driver';
import { JsonLineEncoder } from './json-line-encoder';
import { JsonLogFiles, parseJsonLine } from './json-log-files';

const TIME = '2026-11-23T23:28:42.563007040+00:00';
const line = (text: string | Buffer, tag = 'F', stream = 'stdout') =>
  Buffer.concat([Buffer.from(`${TIME} ${stream} ${tag} `), Buffer.from(text), Buffer.from('\n')]);

describe('JsonLineEncoder', () => {
  const encode = (text: string | Buffer, tag?: string, stream?: string) =>
    new JsonLineEncoder({}).encode(line(text, tag, stream)).toString();

  // Taken from dockerd's file, byte for byte.
  it.each([
    [Buffer.from('hello'), 'hello'],
    [
      Buffer.concat([Buffer.from('a\tb\\"<>&\x1b[0m\x01\u2028'), Buffer.from([0xff]), Buffer.from('é')]),
      'a\\u0009b\\\\\\"\\u003c\\u003e\\u0026\\u001b[0m\\u0001\\u2028\\ufffdé',
    ],
    [Buffer.from('a\r'), 'a\\r'],
    [Buffer.from('\ufffd'), '\ufffd'],
  ])('writes %j as dockerd does', (text, expected) =>
    expect(encode(text)).toBe(
      `{"log":"${expected}\\n","stream":"stdout","time":"2026-11-23T23:28:42.56300704Z"}\n`,
    ),
  );

  it('adds attributes, and keeps what has no newline yet', () => {
    const encoder = new JsonLineEncoder({ z: '<1>', a: 'b' });
    expect(encoder.encode(line('par', 'P', 'stderr')).toString()).toBe('');
    expect(encoder.encode(line('tial', 'P', 'stderr')).toString()).toBe('');
    expect(encoder.end().toString()).toBe(
      '{"log":"partial","stream":"stderr","attrs":{"a":"b","z":"\\u003c1\\u003e"},"time":"2026-11-23T23:28:42.56300704Z"}\n',
    );
  });

  it('is read back as it was written', () => {
    for (const text of ['plain', 'tab\t"quote" \\', 'é\u2028', '']) {
      const record = parseJsonLine(Buffer.from(encode(text, 'F', 'stderr').trimEnd()));
      expect(record?.text.toString()).toBe(text);
      expect(record).toMatchObject({
        stream: 'stderr',
        endsLine: true,
        time: '2026-11-23T23:28:42.56300704Z',
      });
    }
    expect(parseJsonLine(Buffer.from('{"log":"torn'))).toBe(undefined);
  });
});

describe('the files of json-file', () => {
  let directory: string;
  let path: string;
  let rotations: number;
  let saved: object | undefined;
  const never = new AbortController().signal;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-json-'));
    path = join(directory, 'x-json.log');
    [rotations, saved] = [0, undefined];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const sink = (options: Record<string, string>, state?: object): Promise<LogSink> =>
    jsonFileDriver.open?.(
      {
        record: { config: {}, hostConfig: { LogConfig: { Config: options } } } as ContainerRecord,
        options,
        linux: {} as Linux,
        jsonPath: path,
        rotated: () => rotations++,
        checkpoint: (each) => (saved = each),
      },
      state,
    ) as Promise<LogSink>;
  const block = (from: number, to: number) =>
    Buffer.concat(Array.from({ length: to - from + 1 }, (_, index) => line(String(from + index))));
  const content = (name: string) =>
    name.endsWith('.gz') ? gunzipSync(readFileSync(name)).toString() : readFileSync(name, 'utf8');
  const numbers = (name: string) =>
    content(name)
      .trim()
      .split('\n')
      .map((each) => Number((JSON.parse(each) as { log: string }).log));
  const readAll = async (count?: number) => {
    const files = new JsonLogFiles(path, () => rotations);
    const cursor = new LogCursor(files, count === undefined ? undefined : await tailOf(files, count));
    const seen: string[] = [];
    for (;;) {
      const lines = await cursor.next();
      if (lines.length === 0) break;
      for (const each of linesOf(lines)) seen.push(files.parse(each)?.text.toString() ?? '');
    }
    cursor.close();
    return seen.map(Number);
  };

  it('are rotated, compressed, and read as one log', async () => {
    const options = { 'max-size': '2k', 'max-file': '3', compress: 'true' };
    const open = await sink(options);
    await open.take(block(1, 100), never);
    await open.close();
    expect(readdirSync(directory).sort()).toEqual(['x-json.log', 'x-json.log.1.gz', 'x-json.log.2.gz']);
    expect(numbers(path).at(-1)).toBe(100);
    const all = await readAll();
    expect(all).toEqual(Array.from({ length: all.length }, (_, index) => 101 - all.length + index));
    expect(all.length).toBeGreaterThan(50);
    expect(await readAll(40)).toEqual(all.slice(-40));
  });

  it('after a kill go on where they were, nothing lost and nothing twice, wherever it came', async () => {
    const options = { 'max-size': '1k', 'max-file': '9' };
    const first = await sink(options);
    await first.take(block(1, 5), never);
    const checkpoint = first.state();
    await first.take(block(6, 8), never); // and killed before the next checkpoint
    await first.close();
    const second = await sink(options, checkpoint);
    await second.take(block(6, 60), never); // rotates
    await second.close();
    expect(saved).toBeDefined();
    const third = await sink(options, saved);
    await third.take(block(6, 70), never);
    await third.close();
    expect(await readAll()).toEqual(Array.from({ length: 70 }, (_, index) => index + 1));
  });

  it('may be emptied by hand', async () => {
    const open = await sink({});
    await open.take(block(1, 50), never);
    truncateSync(path);
    await open.take(block(51, 52), never);
    await open.close();
    expect(numbers(path)).toEqual([51, 52]);
  });

  it('a follower goes on through rotations', async () => {
    writeFileSync(path, '');
    const open = await sink({ 'max-size': '1k', 'max-file': '3' });
    const files = new JsonLogFiles(path, () => rotations);
    const cursor = new LogCursor(files);
    const seen: number[] = [];
    for (let at = 1; at <= 60; at += 3) {
      await open.take(block(at, at + 2), never);
      for (;;) {
        const lines = await cursor.next();
        if (lines.length === 0) break;
        for (const each of linesOf(lines)) seen.push(Number(files.parse(each)?.text.toString()));
      }
    }
    cursor.close();
    await open.close();
    expect(rotations).toBeGreaterThan(3);
    expect(seen).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
  });
});
