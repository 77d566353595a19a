import { invalidArgument, notFound } from '@gantry/shared/errors';
import type { ContainerRecord } from './container-record';

export type StoreChange = 'added' | 'changed' | 'removed';

/** Puts a record on disk. The store does not know how. */
export interface RecordWriter {
  /** `passing`: it changes again within seconds. */
  write(record: ContainerRecord, passing?: boolean): Promise<void>;
}

/** How often it is tried again to write what the disk did not take. Milliseconds. */
const LATE_WRITE_MS = 1_000;

/** All containers of this node, in memory. Every read is answered from here. */
export class ContainerStore {
  private readonly byId = new Map<string, ContainerRecord>();
  private readonly byName = new Map<string, string>();
  private readonly execs = new Map<string, Set<string>>();
  private readonly watchers: ((change: StoreChange, record: ContainerRecord) => void)[] = [];
  /** Records of which the disk has an older state than memory. */
  private readonly late = new Set<ContainerRecord>();
  private lateWrites?: NodeJS.Timeout;

  /** `onLate` hears once of a record that waits for the disk. */
  constructor(
    private readonly writer: RecordWriter,
    private readonly onLate: (record: ContainerRecord, error: unknown) => void = () => {},
  ) {}

  all(): ContainerRecord[] {
    return [...this.byId.values()];
  }

  get(id: string): ContainerRecord | undefined {
    return this.byId.get(id);
  }

  byExactName(name: string): ContainerRecord | undefined {
    const id = this.byName.get(name.replace(/^\//, ''));
    return id === undefined ? undefined : this.byId.get(id);
  }

  /**
   * By full id, name (with or without its slash), legacy link (`container/alias`) or unambiguous id prefix, in that order.
   * NotFound in Docker's words.
   */
  resolve(reference: string): ContainerRecord {
    const known = this.byId.get(reference) ?? this.byExactName(reference) ?? this.byLink(reference);
    if (known) return known;
    let found: ContainerRecord | undefined;
    if (/^[0-9a-f]+$/.test(reference)) {
      for (const [id, record] of this.byId) {
        if (!id.startsWith(reference)) continue;
        if (found) throw invalidArgument(`multiple IDs found with provided prefix: ${reference}`);
        found = record;
      }
    }
    if (!found) throw notFound(`No such container: ${reference}`);
    return found;
  }

  private byLink(reference: string): ContainerRecord | undefined {
    const [, container, alias] = /^\/?([^/]+)\/([^/]+)$/.exec(reference) ?? [];
    if (container === undefined) return undefined;
    const links = this.byExactName(container)?.hostConfig.Links ?? [];
    const link = links.find((each) => each.split(':')[1] === alias);
    return link === undefined ? undefined : this.byId.get(link.split(':')[0] ?? '');
  }

  /** Holds a name before the record exists. Returns the id of who has it already. */
  reserveName(name: string, id: string): string | undefined {
    const owner = this.byName.get(name);
    if (owner !== undefined && owner !== id) return owner;
    this.byName.set(name, id);
    return undefined;
  }

  releaseName(name: string, id: string): void {
    if (this.byName.get(name) === id) this.byName.delete(name);
  }

  /** Puts a record (new, or read from disk) among the others; does not write it. */
  add(record: ContainerRecord): void {
    this.byId.set(record.id, record);
    this.byName.set(record.name, record.id);
    this.notify('added', record);
  }

  /** Writes the record to disk, then tells the watchers (the index in Postgres is one of them). */
  async persist(record: ContainerRecord): Promise<void> {
    await this.writer.write(record);
    this.late.delete(record);
    if (this.byId.has(record.id)) this.notify('changed', record);
  }

  /**
   * Writes what has happened already, such as an end, or what only gives back: a disk without room is no reason not to let
   * it happen. What cannot be written now is written as soon as it can be.
   * @returns false: it is not on disk yet
   */
  async settle(record: ContainerRecord): Promise<boolean> {
    try {
      await this.persist(record);
      return true;
    } catch (error) {
      if (!this.late.has(record)) this.onLate(record, error);
      this.late.add(record);
      this.lateWrites ??= setTimeout(() => void this.writeLate(), LATE_WRITE_MS).unref();
      if (this.byId.has(record.id)) this.notify('changed', record);
      return false;
    }
  }

  /** Writes the record to disk alone: what changes every second need not reach the index each time. */
  async note(record: ContainerRecord): Promise<void> {
    if (this.byId.has(record.id)) await this.writer.write(record, true);
  }

  /** Forgets it; its directory is somebody else's business. */
  delete(record: ContainerRecord): void {
    this.byId.delete(record.id);
    this.releaseName(record.name, record.id);
    this.execs.delete(record.id);
    this.late.delete(record);
    this.notify('removed', record);
  }

  /** The execs of a container that inspect lists. The exec capability adds and deletes. */
  execIds(id: string): Set<string> {
    let ids = this.execs.get(id);
    if (!ids) this.execs.set(id, (ids = new Set()));
    return ids;
  }

  watch(watcher: (change: StoreChange, record: ContainerRecord) => void): void {
    this.watchers.push(watcher);
  }

  private async writeLate(): Promise<void> {
    for (const record of this.late) {
      try {
        await this.writer.write(record);
        this.late.delete(record);
      } catch {
        break; // the others have the same disk
      }
    }
    this.lateWrites =
      this.late.size > 0 ? setTimeout(() => void this.writeLate(), LATE_WRITE_MS).unref() : undefined;
  }

  private notify(change: StoreChange, record: ContainerRecord): void {
    for (const watcher of this.watchers) watcher(change, record);
  }
}
