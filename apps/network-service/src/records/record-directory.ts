import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SUFFIX = '.json';
/** How often it is tried again to write what the disk did not take. Milliseconds. */
const LATE_WRITE_MS = 1_000;

/**
 * One JSON document a file. A write is a new file renamed over the old one: whatever is killed when, a reader finds the
 * old or the new document.
 */
export class RecordDirectory<T> {
  /** Newer than what is on disk. */
  private readonly late = new Map<string, T>();
  private lateWrites?: NodeJS.Timeout;

  /** `onBroken` hears of a file that is no document. */
  constructor(
    private readonly directory: string,
    private readonly onBroken: (path: string, error: unknown) => void,
  ) {
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  }

  /** Everything that is there. Leftovers of interrupted writes are removed; what is broken is put aside. */
  load(): T[] {
    const records: T[] = [];
    for (const name of readdirSync(this.directory)) {
      const path = join(this.directory, name);
      if (name.endsWith(`${SUFFIX}.new`)) rmSync(path);
      else if (name.endsWith(SUFFIX)) records.push(...this.read(path));
    }
    return records;
  }

  /** Where the document of that name is. */
  file(name: string): string {
    return join(this.directory, name + SUFFIX);
  }

  write(name: string, record: T): void {
    const path = this.file(name);
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
    this.late.delete(name);
  }

  /** Writes what has happened already: where the disk has no room, as soon as it has. */
  settle(name: string, record: T): void {
    try {
      this.write(name, record);
    } catch {
      this.late.set(name, record);
      this.lateWrites ??= setTimeout(() => this.writeLate(), LATE_WRITE_MS).unref();
    }
  }

  remove(name: string): void {
    this.late.delete(name);
    rmSync(this.file(name), { force: true });
  }

  /** One broken file, such as a power cut leaves, must not keep the service from starting. */
  private read(path: string): T[] {
    const text = readFileSync(path, 'utf8');
    try {
      return [JSON.parse(text) as T];
    } catch (error) {
      renameSync(path, `${path}.broken`);
      this.onBroken(path, error);
      return [];
    }
  }

  private writeLate(): void {
    this.lateWrites = undefined;
    for (const [name, record] of this.late) this.settle(name, record);
  }
}
