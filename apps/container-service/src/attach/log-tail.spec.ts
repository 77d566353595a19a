import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Output } from '@gantry/proto/common';
import { endOf } from '../logs/log-files';
import { MonitorLogFiles } from '../logs/monitor-log-files';
import { LogTail } from './log-tail';

const BOTH = { stdout: true, stderr: true };
const HEADER = '2026-11-23T23:28:01.123456789+00:00 stdout';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-tail-'));
  path = join(directory, 'container.log');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** As the monitor does: first into the log, then to who is attached. */
const write = (tail: LogTail, text: string, kind = 'F') => {
  appendFileSync(path, `${HEADER} ${kind} ${text}\n`);
  tail.push('stdout', Buffer.from(kind === 'F' ? `${text}\n` : text));
};
const attach = async (stalledMs?: number) => {
  const files = new MonitorLogFiles(path);
  return new LogTail(files, await endOf(files), BOTH, stalledMs);
};
async function rest(tail: AsyncIterable<Output>): Promise<string> {
  let text = '';
  for await (const { data } of tail) text += data.toString();
  return text;
}

describe('LogTail', () => {
  it('begins where the log ends, be it in the middle of a line, and ends with the process', async () => {
    writeFileSync(path, `${HEADER} F before\n${HEADER} F tor`);
    const tail = await attach();
    appendFileSync(path, 'n\n');
    write(tail, 'prompt$ ', 'P');
    write(tail, 'x');
    tail.end();
    expect(await rest(tail)).toBe('torn\nprompt$ x\n');
    await tail.finished;
  });

  it('reads on where the log is removed with its container', async () => {
    const tail = await attach();
    const reading = rest(tail);
    writeFileSync(path, '');
    tail.begin();
    appendFileSync(path, `${HEADER} F last words\n`);
    rmSync(path);
    tail.push('stdout', Buffer.from('last words\n'));
    tail.end();
    expect(await reading).toBe('last words\n');
  });

  it('does not sleep over what comes while it looks', async () => {
    writeFileSync(path, '');
    const files = new MonitorLogFiles(path);
    const tail = new LogTail(files, await endOf(files), BOTH);
    tail.begin();
    const rotated = files.rotated.bind(files);
    // Asked after a look that found nothing.
    files.rotated = () => {
      files.rotated = rotated;
      write(tail, 'just then');
      return rotated();
    };
    const first = await tail[Symbol.asyncIterator]().next();
    expect(first.value?.data.toString()).toBe('just then\n');
    tail.discard();
  });

  it('hands on what is written as it comes', async () => {
    const tail = await attach();
    const reading = tail[Symbol.asyncIterator]();
    const first = reading.next();
    write(tail, 'a');
    expect((await first).value?.data.toString()).toBe('a\n');
    const second = reading.next();
    renameSync(path, `${path}.1`);
    write(tail, 'b');
    expect((await second).value?.data.toString()).toBe('b\n');
    tail.discard();
    expect((await reading.next()).done).toBe(true);
  });

  it('makes the process wait while it is behind, but not for ever; then the log has the rest', async () => {
    const tail = await attach(1);
    const line = 'x'.repeat(65_535);
    const room = new Promise<void>((resolve) => (tail.onRoom = resolve));
    for (let written = 0; written < 16; written++) write(tail, line);
    expect(tail.full).toBe(true);
    await room; // it has stalled
    expect(tail.full).toBe(false);
    for (let written = 0; written < 16; written++) write(tail, line);
    expect(tail.full).toBe(false);
    tail.end();
    expect(await rest(tail)).toHaveLength(32 * 65_536);
  });

  it('says so where the log was rotated away meanwhile', async () => {
    const tail = await attach();
    write(tail, 'a');
    const reading = tail[Symbol.asyncIterator]();
    await reading.next();
    for (const sequence of [1, 2, 3]) {
      renameSync(path, `${path}.${sequence}`);
      write(tail, `b${sequence}`);
    }
    rmSync(`${path}.2`);
    await expect(reading.next()).rejects.toThrow('rotated meanwhile');
  });
});
