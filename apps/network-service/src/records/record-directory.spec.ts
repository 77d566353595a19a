import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RecordDirectory } from './record-directory';

describe('RecordDirectory', () => {
  const directory = mkdtempSync(join(tmpdir(), 'records-'));
  const broken: string[] = [];
  const records = new RecordDirectory<{ n: number }>(directory, (path) => broken.push(path));

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('puts aside what is broken and reads the rest', () => {
    records.write('one', { n: 1 });
    writeFileSync(join(directory, 'two.json'), '');
    writeFileSync(join(directory, 'three.json.new'), '{"n":');
    expect(records.load()).toEqual([{ n: 1 }]);
    expect(broken).toEqual([join(directory, 'two.json')]);
    expect(readdirSync(directory).sort()).toEqual(['one.json', 'two.json.broken']);
    expect(records.load()).toEqual([{ n: 1 }]);
  });

  it('writes later what the disk does not take now, unless it is gone by then', async () => {
    rmSync(directory, { recursive: true });
    expect(() => records.write('late', { n: 2 })).toThrow('ENOENT');
    records.settle('late', { n: 2 });
    records.settle('gone', { n: 3 });
    records.remove('gone');
    new RecordDirectory(directory, () => {});
    while (readdirSync(directory).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(readdirSync(directory)).toEqual(['late.json']);
    expect(JSON.parse(readFileSync(join(directory, 'late.json'), 'utf8'))).toEqual({ n: 2 });
  });
});
