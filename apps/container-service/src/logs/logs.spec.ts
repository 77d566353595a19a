import { appendFileSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { StdStream } from '@gantry/proto/common';
import { LogCursor, tailOf } from './log-files';
import { LogHolds } from './log-holds';
import { linesBackwards, linesOf } from './log-lines';
import { LogOutput, type LogSelection } from './log-output';
import { MonitorLogFiles } from './monitor-log-files';
import { openLog, type OpenLog } from './open-log';
import { boundaryTime, parseLogRecord, utcTime } from './log-record';

const ALL: LogSelection = { stdout: true, stderr: true, timestamps: false };
const at = (second: number) => `2026-11-23T23:28:${String(second).padStart(2, '0')}.123456789+00:00`;
const line = (second: number, stream: string, tag: string, text: string) =>
  `${at(second)} ${stream} ${tag} ${text}\n`;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-logs-'));
  path = join(directory, 'container.log');
});
afterEach(() => rmSync(directory, { recursive: true }));

const show = (text: string, selection: Partial<LogSelection> = {}) =>
  [...new LogOutput({ ...ALL, ...selection }).render(Buffer.from(text))].map(
    ({ stream, data }) => `${stream === StdStream.STD_STREAM_STDERR ? 'E' : 'O'}:${data.toString()}`,
  );

async function readAll(cursor: LogCursor): Promise<string> {
  let text = '';
  for (;;) {
    const block = await cursor.next();
    if (block.length === 0) return text;
    for (const each of linesOf(block)) {
      const record = parseLogRecord(each);
      text += record?.text.toString() + (record?.endsLine ? '\n' : '');
    }
  }
}

describe('a record', () => {
  it('is time, stream, kind and the exact text', () => {
    const parsed = parseLogRecord(Buffer.from(`${at(1)} stderr P  two  spaces `));
    expect(parsed).toMatchObject({ time: at(1), stream: 'stderr', endsLine: false });
    expect(parsed?.text.toString()).toBe(' two  spaces ');
    expect(parseLogRecord(Buffer.from(`${at(1)} stdout F `))?.text).toHaveLength(0);
  });

  it('torn by a crash is none', () => {
    for (const torn of ['', 'x', at(1), `${at(1)} std`, `${at(1)} stdout`])
      expect(parseLogRecord(Buffer.from(torn))).toBe(undefined);
  });

  it('has its time in UTC', () => {
    expect(utcTime(at(1))).toBe('2026-11-23T23:28:01.123456789Z');
    expect(utcTime('2026-11-24T01:28:01.123456789+02:00')).toBe('2026-11-23T23:28:01.123456789Z');
    expect(boundaryTime('1795476481.12')).toBe(
      `${new Date(1795476481000).toISOString().slice(0, 19)}.120000000Z`,
    );
    expect(boundaryTime('')).toBe(undefined);
    expect(boundaryTime('0')).toBe(undefined);
  });
});

describe('output', () => {
  it('is byte for byte what was written, no newline added', () => {
    expect(
      show(line(1, 'stdout', 'F', 'a') + line(1, 'stdout', 'P', 'b') + line(1, 'stdout', 'F', 'c')),
    ).toEqual(['O:a\nbc\n']);
    expect(show(line(1, 'stdout', 'P', 'no newline'))).toEqual(['O:no newline']);
  });

  it('keeps the order of the streams and drops the one not asked for', () => {
    const text = line(1, 'stdout', 'F', 'o1') + line(1, 'stderr', 'F', 'e1') + line(1, 'stdout', 'F', 'o2');
    expect(show(text)).toEqual(['O:o1\n', 'E:e1\n', 'O:o2\n']);
    expect(show(text, { stderr: false })).toEqual(['O:o1\no2\n']);
  });

  it('stamps lines, not their parts', () => {
    const text = line(1, 'stdout', 'P', 'a') + line(2, 'stdout', 'F', 'b') + line(3, 'stdout', 'F', 'c');
    expect(show(text, { timestamps: true })).toEqual([`O:${utcTime(at(1))} ab\n${utcTime(at(3))} c\n`]);
    expect(show(line(1, 'stdout', 'F', 'x'), { timestamps: true, details: 'k=v' })).toEqual([
      `O:${utcTime(at(1))} k=v x\n`,
    ]);
  });

  it('begins at since and ends after until, both inclusive', () => {
    const text = [1, 2, 3].map((second) => line(second, 'stdout', 'F', `l${second}`)).join('');
    expect(show(text, { since: utcTime(at(2)) })).toEqual(['O:l2\nl3\n']);
    expect(show(text, { until: utcTime(at(2)) })).toEqual(['O:l1\nl2\n']);
  });
});

describe('linesBackwards', () => {
  it('gives every line with its place, across blocks', async () => {
    const lines = Array.from({ length: 3000 }, (_, index) => `${index}${'x'.repeat(index % 97)}`);
    writeFileSync(path, lines.map((each) => `${each}\n`).join('') + 'torn');
    const file = openLog(path) as OpenLog;
    const seen: string[] = [];
    for await (const { line: found } of linesBackwards(file)) seen.push(found.toString());
    file.close();
    expect(seen.reverse()).toEqual(lines);
  });
});

describe('log files', () => {
  const write = (name: string, ...texts: string[]) =>
    writeFileSync(name, texts.map((text) => line(1, 'stdout', 'F', text)).join(''));

  it.each([
    [0, ''],
    [1, '5\n'],
    [3, '3\n4\n5\n'],
    [5, '1\n2\n3\n4\n5\n'],
    [99, '1\n2\n3\n4\n5\n'],
  ])('tail %d goes back through rotated files', async (count, expected) => {
    write(`${path}.7`, '1', '2');
    write(`${path}.8`, '3');
    write(path, '4', '5');
    const files = new MonitorLogFiles(path);
    const cursor = new LogCursor(files, await tailOf(files, count));
    expect(await readAll(cursor)).toBe(expected);
    cursor.close();
  });

  it('tail counts a line in parts once, and an unfinished last line', async () => {
    writeFileSync(
      path,
      line(1, 'stdout', 'F', 'a') +
        line(1, 'stdout', 'P', 'b') +
        line(1, 'stdout', 'F', 'c') +
        line(1, 'stdout', 'P', 'd'),
    );
    const files = new MonitorLogFiles(path);
    const tail = async (count: number) => {
      const cursor = new LogCursor(files, await tailOf(files, count));
      const text = await readAll(cursor);
      cursor.close();
      return text;
    };
    expect(await tail(1)).toBe('d');
    expect(await tail(2)).toBe('bc\nd');
    expect(await tail(3)).toBe('a\nbc\nd');
  });

  it('a cursor goes on through rotations and loses nothing', async () => {
    write(path, '1');
    const cursor = new LogCursor(new MonitorLogFiles(path));
    expect(await readAll(cursor)).toBe('1\n');
    appendFileSync(path, line(1, 'stdout', 'F', '2'));
    renameSync(path, `${path}.1`);
    expect(await readAll(cursor)).toBe('2\n');
    appendFileSync(`${path}.1`, line(1, 'stdout', 'F', '3'));
    write(path, '4');
    expect(await readAll(cursor)).toBe('3\n4\n');
    renameSync(path, `${path}.2`);
    write(path, '5');
    renameSync(path, `${path}.3`);
    rmSync(`${path}.1`);
    write(path, '6');
    expect(await readAll(cursor)).toBe('5\n6\n');
    cursor.close();
  });

  it('there are none before the first start', async () => {
    const files = new MonitorLogFiles(path);
    expect(await tailOf(files, 5)).toEqual({ sequence: 1, position: 0 });
    const cursor = new LogCursor(files);
    expect(await readAll(cursor)).toBe('');
    write(path, 'first');
    expect(await readAll(cursor)).toBe('first\n');
    cursor.close();
  });
});

describe('LogHolds', () => {
  it('keeps what is still to be read, up to 1 GiB', () => {
    const holds = new LogHolds();
    expect(holds.keeps('c', 5, 0)).toBe(false);
    const release = holds.hold('c', () => 4);
    holds.hold('c', () => 9);
    expect([3, 4, 5, 9].map((sequence) => holds.keeps('c', sequence, 100))).toEqual([
      false,
      true,
      true,
      true,
    ]);
    expect(holds.keeps('c', 5, 2 ** 30)).toBe(false);
    release();
    expect(holds.keeps('c', 5, 100)).toBe(false);
    expect(holds.keeps('c', 9, 100)).toBe(true);
  });
});

describe('a compressed log', () => {
  const texts = Array.from({ length: 60_000 }, (_, index) => line(1, 'stdout', 'F', `line ${index}`));

  it('is read from both ends', async () => {
    writeFileSync(`${path}.1.gz`, gzipSync(texts.join('')));
    writeFileSync(path, line(1, 'stdout', 'F', 'last'));
    const files = new MonitorLogFiles(path);
    expect(await readAll(new LogCursor(files, await tailOf(files, 2)))).toBe('line 59999\nlast\n');
    const cursor = new LogCursor(files);
    expect(await readAll(cursor)).toBe([...texts.map((_, index) => `line ${index}\n`), 'last\n'].join(''));
    cursor.close();
    expect(readdirSync(directory).sort()).toEqual(['container.log', 'container.log.1.gz']);
  });

  it('begins before the whole of it is there', async () => {
    // Its end is missing: what is before is read all the same, then comes the error.
    const packed = gzipSync(texts.join(''));
    writeFileSync(`${path}.gz`, packed.subarray(0, packed.length - 100));
    const file = openLog(path) as OpenLog;
    const block = Buffer.alloc(1000);
    expect(await file.read(block, 0)).toBe(1000);
    expect(block.toString()).toBe(texts.join('').slice(0, 1000));
    await expect(file.size()).rejects.toThrow('unexpected end of file');
    file.close();
  });
});
