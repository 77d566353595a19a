import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SUFFIX = '.json';

/**
 * One JSON document a file. A write is a new file renamed over the old one: whatever is killed when, a reader finds the
 * old or the new document.
 */
export class RecordDirectory<T> {
  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  }

  /** Everything that is there. Leftovers of interrupted writes are removed. */
  load(): T[] {
    const records: T[] = [];
    for (const name of readdirSync(this.directory)) {
      const path = join(this.directory, name);
      if (name.endsWith(`${SUFFIX}.new`)) rmSync(path);
      else if (name.endsWith(SUFFIX)) records.push(JSON.parse(readFileSync(path, 'utf8')) as T);
    }
    return records;
  }

  write(name: string, record: T): void {
    const path = join(this.directory, name + SUFFIX);
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  remove(name: string): void {
    rmSync(join(this.directory, name + SUFFIX), { force: true });
  }
}
