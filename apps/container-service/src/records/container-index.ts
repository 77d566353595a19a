import { jsonColumn } from '@gantry/shared/database';
import { type Logger } from '@gantry/shared/logging';
import type { ContainerDatabase } from './container-database';
import type { ContainerRecord } from './container-record';
import type { ContainerStore } from './container-store';

const RETRY_MS = 1_000;
/** How long changes gather: a container that comes and goes within it never reaches Postgres. Milliseconds. */
const GATHER_MS = 300;

/**
 * Follows the store and writes what changed to Postgres, behind everybody's back: several changes of a container become
 * one write, and while Postgres is away they wait here. Nothing waits for it.
 */
export class ContainerIndex {
  private readonly dirty = new Set<string>();
  /** Containers that have a row. */
  private readonly indexed = new Set<string>();
  private flushing?: Promise<void>;
  private stopped = false;
  private wake?: () => void;

  constructor(
    private readonly database: ContainerDatabase,
    private readonly store: ContainerStore,
    private readonly nodeId: string,
    private readonly logger: Logger,
  ) {}

  /** Puts the index right with what the store read from disk, and follows the store from now on. */
  start(): void {
    this.store.watch((_change, record) => this.mark(record.id));
    for (const record of this.store.all()) this.dirty.add(record.id);
    this.flushing = this.dropForgotten().then(() => this.flush());
  }

  /** Writes what is left, or gives up where Postgres is away. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wake?.();
    await this.flushing;
    await this.database.$disconnect();
  }

  private mark(id: string): void {
    this.dirty.add(id);
    if (!this.stopped) this.flushing ??= this.flush();
  }

  private async flush(): Promise<void> {
    if (!this.stopped) await this.pause(GATHER_MS);
    for (const id of this.dirty) {
      this.dirty.delete(id);
      if (!(await this.attempt(() => this.write(id)))) this.dirty.add(id);
      if (this.stopped && this.dirty.has(id)) break;
    }
    this.flushing = undefined;
  }

  private async write(id: string): Promise<void> {
    const record = this.store.get(id);
    const key = { nodeId: this.nodeId, id };
    if (!record) {
      if (!this.indexed.has(id)) return;
      await this.database.container.deleteMany({ where: key });
      this.indexed.delete(id);
      return;
    }
    const row = rowOf(record);
    await this.database.container.upsert({
      where: { nodeId_id: key },
      create: { ...key, ...row },
      update: row,
    });
    this.indexed.add(id);
  }

  private async dropForgotten(): Promise<void> {
    await this.attempt(() =>
      this.database.container.deleteMany({
        where: { nodeId: this.nodeId, id: { notIn: this.store.all().map((record) => record.id) } },
      }),
    );
  }

  /** False after a failure, and after the pause that follows it. */
  private async attempt(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (error) {
      this.logger.warn({ err: error }, 'the container index is behind');
      if (this.stopped) return false;
      await this.pause(RETRY_MS);
      return false;
    }
  }

  /** Shorter where the service stops. */
  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      setTimeout(resolve, milliseconds).unref();
    });
  }
}

function rowOf(record: ContainerRecord) {
  return {
    name: record.name,
    imageId: record.imageId,
    status: record.state.Status,
    createdAt: new Date(record.created),
    record: jsonColumn(record),
  };
}
