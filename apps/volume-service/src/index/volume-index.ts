import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { jsonColumn, postgresPool } from '@gantry/shared/database';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { PrismaClient } from '../generated/prisma/client';
import type { Volume, VolumeRecord } from '../volumes/volume';

/** What a volume is to look like in Postgres; undefined: not at all. */
type Wanted = { record: VolumeRecord; users: string[] } | undefined;

const RETRY_MS = 1_000;
const LARGEST_BATCH = 500;
/** Changes that come close together are written together; a write costs as much as ten requests. */
const GATHER_MS = 250;

/**
 * The volumes in Postgres, for everything that asks across nodes. Written behind the caller's back, newest state last, so
 * a Postgres that is slow or away holds nothing up; what could not be written is tried again.
 */
@Injectable()
export class VolumeIndex implements OnApplicationShutdown {
  private readonly prisma: PrismaClient;
  private readonly nodeId: string;
  private readonly pending = new Map<string, Wanted>();
  /** The names that may have a row; undefined: not known before Postgres was read once. */
  private indexed?: Set<string>;
  private toReconcile?: Volume[];
  private flushing?: Promise<void>;
  private stopping = false;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.nodeId = config.nodeId;
    this.prisma = new PrismaClient({
      adapter: new PrismaPg(postgresPool(config.databaseUrl, 'volume'), { schema: 'volume' }),
      // Otherwise an error quotes the source around the call, which in a bundle is most of it.
      errorFormat: 'minimal',
    });
  }

  /** Makes the index the same as `volumes`, which is everything on this node. */
  reconcile(volumes: Volume[]): void {
    this.toReconcile = volumes;
    this.flush();
  }

  put(volume: Volume): void {
    this.pending.set(volume.record.name, { record: volume.record, users: [...volume.users] });
    this.flush();
  }

  /** What came and went between two writes never was in Postgres. */
  drop(name: string): void {
    if (this.indexed && !this.indexed.has(name)) this.pending.delete(name);
    else this.pending.set(name, undefined);
    this.flush();
  }

  /** Waits until everything so far is written or cannot be. */
  async drain(): Promise<void> {
    await this.flushing;
  }

  async onApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.drain();
    await this.prisma.$disconnect();
  }

  private flush(): void {
    this.flushing ??= sleep(GATHER_MS)
      .then(() => this.writePending())
      .then(
        () => {
          this.flushing = undefined;
          if (this.pending.size > 0) this.flush();
        },
        (error: unknown) => {
          this.flushing = undefined;
          this.logger.warn({ err: error }, 'volume index not written yet');
          if (!this.stopping) setTimeout(() => this.flush(), RETRY_MS).unref();
        },
      );
  }

  private async writePending(): Promise<void> {
    if (this.toReconcile) {
      await this.compare(this.toReconcile);
      this.toReconcile = undefined;
    }
    while (this.pending.size > 0) {
      const batch = [...this.pending].slice(0, LARGEST_BATCH);
      for (const [name] of batch) this.indexed?.add(name);
      await this.write(batch);
      for (const [name, wanted] of batch) {
        if (!wanted) this.indexed?.delete(name);
        // Unless it changed meanwhile.
        if (this.pending.get(name) === wanted) this.pending.delete(name);
      }
    }
  }

  /** Leaves in `pending` what differs from the truth. */
  private async compare(volumes: Volume[]): Promise<void> {
    const rows = await this.prisma.volume.findMany({
      where: { nodeId: this.nodeId },
      include: { references: { select: { containerId: true } } },
    });
    const indexed = new Map(
      rows.map((row) => [row.name, row.references.map((reference) => reference.containerId)]),
    );
    this.indexed = new Set(indexed.keys());
    const truth = new Map(volumes.map((volume) => [volume.record.name, volume]));
    for (const name of indexed.keys()) {
      if (!truth.has(name) && !this.pending.has(name)) this.pending.set(name, undefined);
    }
    for (const [name, { record, users }] of truth) {
      const known = indexed.get(name);
      const same = known?.length === users.size && known.every((id) => users.has(id));
      if (!same && !this.pending.has(name)) this.pending.set(name, { record, users: [...users] });
    }
  }

  /** Out with the old rows, in with the new: right whatever was there, and few round trips for many volumes. */
  private async write(batch: [string, Wanted][]): Promise<void> {
    const { nodeId, prisma } = this;
    const present = batch.flatMap(([, wanted]) => (wanted ? [wanted] : []));
    await prisma.$transaction([
      prisma.volume.deleteMany({ where: { nodeId, name: { in: batch.map(([name]) => name) } } }),
      prisma.volume.createMany({
        data: present.map(({ record: { name, driver, options, labels, anonymous, createdAt } }) => ({
          ...{ nodeId, name, driver, anonymous },
          ...{ options: jsonColumn(options), labels: jsonColumn(labels) },
          createdAt: new Date(createdAt),
        })),
      }),
      prisma.volumeReference.createMany({
        data: present.flatMap(({ record, users }) =>
          users.map((containerId) => ({ nodeId, volumeName: record.name, containerId })),
        ),
      }),
    ]);
  }
}
