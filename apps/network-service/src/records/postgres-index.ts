import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PrismaPg } from '@prisma/adapter-pg';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { jsonColumn, postgresPool } from '@gantry/shared/database';
import { messageOf } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { type Prisma, PrismaClient } from '../generated/prisma/client';
import type { NetworkRecord } from './network-record';
import type { SandboxRecord } from './sandbox-record';

const RETRY_MS = 2_000;
/** Changes wait this long for others, so that a container that comes and goes at once costs nothing. */
const GATHER_MS = 1_000;

type Change = NetworkRecord | SandboxRecord | 'removed';

/**
 * The Postgres index of the records on disk. Written behind: nobody waits for it, changes to one record are put together,
 * and while Postgres is away they are kept here. The disk stays the truth; {@link reconcile} makes the index equal to it.
 */
@Injectable()
export class PostgresIndex implements OnApplicationShutdown {
  private readonly prisma: PrismaClient;
  private readonly networks = new Map<string, Change>();
  private readonly sandboxes = new Map<string, Change>();
  private flushing?: Promise<void>;
  private closed = false;
  private away = false;

  constructor(
    @Inject(INSTANCE_CONFIG) private readonly config: InstanceConfig,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.prisma = new PrismaClient({
      adapter: new PrismaPg(postgresPool(config.databaseUrl, 'network'), { schema: 'network' }),
    });
  }

  putNetwork(record: NetworkRecord): void {
    this.change(this.networks, record.id, record);
  }

  removeNetwork(id: string): void {
    this.change(this.networks, id, 'removed');
  }

  putSandbox(record: SandboxRecord): void {
    this.change(this.sandboxes, record.containerId, record);
  }

  removeSandbox(containerId: string): void {
    this.change(this.sandboxes, containerId, 'removed');
  }

  /** Removes rows whose record is gone from the disk and writes all others again. Does not wait for Postgres. */
  reconcile(networks: readonly NetworkRecord[], sandboxes: readonly SandboxRecord[]): void {
    for (const record of networks) this.putNetwork(record);
    for (const record of sandboxes) this.putSandbox(record);
    const networkIds = new Set(networks.map((record) => record.id));
    const containerIds = new Set(sandboxes.map((record) => record.containerId));
    this.untilDone(async () => {
      const where = { nodeId: this.config.nodeId };
      const rows = await this.prisma.network.findMany({ where, select: { id: true } });
      const sandboxRows = await this.prisma.sandbox.findMany({ where, select: { containerId: true } });
      // Whatever was put meanwhile is newer than what was read.
      for (const { id } of rows) {
        if (!networkIds.has(id) && !this.networks.has(id)) this.removeNetwork(id);
      }
      for (const { containerId } of sandboxRows) {
        if (!containerIds.has(containerId) && !this.sandboxes.has(containerId)) {
          this.removeSandbox(containerId);
        }
      }
    });
  }

  /** Writes what is pending, if Postgres answers now. */
  async onApplicationShutdown(): Promise<void> {
    await this.flushing;
    this.closed = true;
    await this.flush().catch((error: unknown) =>
      this.logger.warn({ err: messageOf(error) }, 'index not written; the next start does it'),
    );
    await this.prisma.$disconnect();
  }

  private change(map: Map<string, Change>, key: string, value: Change): void {
    map.set(key, value);
    this.flushing ??= this.flushUntilEmpty().finally(() => {
      this.flushing = undefined;
    });
  }

  private async flushUntilEmpty(): Promise<void> {
    while (!this.closed && this.networks.size + this.sandboxes.size > 0) {
      await pause(GATHER_MS);
      try {
        await this.flush();
        this.away = false;
      } catch (error) {
        this.reportAway(error);
        if (!this.closed) await pause(RETRY_MS);
      }
    }
  }

  private async flush(): Promise<void> {
    const networks = take(this.networks);
    const sandboxes = take(this.sandboxes);
    if (networks.size + sandboxes.size === 0) return;
    const { nodeId } = this.config;
    const work: Prisma.PrismaPromise<unknown>[] = [];
    const gone = removed(networks);
    const goneSandboxes = removed(sandboxes);
    if (gone.length > 0) work.push(this.prisma.network.deleteMany({ where: { nodeId, id: { in: gone } } }));
    if (goneSandboxes.length > 0) {
      work.push(this.prisma.sandbox.deleteMany({ where: { nodeId, containerId: { in: goneSandboxes } } }));
    }
    for (const record of kept<NetworkRecord>(networks)) {
      const { id, name, driver } = record;
      const row = { name, driver, record: jsonColumn(record) };
      work.push(
        this.prisma.network.upsert({
          where: { nodeId_id: { nodeId, id } },
          create: { nodeId, id, ...row },
          update: row,
        }),
      );
    }
    for (const record of kept<SandboxRecord>(sandboxes)) {
      const { containerId } = record;
      const row = { name: record.containerName, record: jsonColumn(record) };
      work.push(
        this.prisma.sandbox.upsert({
          where: { nodeId_containerId: { nodeId, containerId } },
          create: { nodeId, containerId, ...row },
          update: row,
        }),
      );
    }
    try {
      await this.prisma.$transaction(work);
    } catch (error) {
      giveBack(this.networks, networks);
      giveBack(this.sandboxes, sandboxes);
      throw error;
    }
  }

  private untilDone(action: () => Promise<void>): void {
    action().catch((error: unknown) => {
      this.reportAway(error);
      if (!this.closed) setTimeout(() => this.untilDone(action), RETRY_MS).unref();
    });
  }

  private reportAway(error: unknown): void {
    if (!this.away && !this.closed) this.logger.warn({ err: messageOf(error) }, 'postgres is away');
    this.away = true;
  }
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

function take(map: Map<string, Change>): Map<string, Change> {
  const taken = new Map(map);
  map.clear();
  return taken;
}

function giveBack(map: Map<string, Change>, taken: Map<string, Change>): void {
  for (const [key, value] of taken) if (!map.has(key)) map.set(key, value);
}

const removed = (changes: Map<string, Change>): string[] =>
  [...changes].filter(([, value]) => value === 'removed').map(([key]) => key);

const kept = <T>(changes: Map<string, Change>): T[] =>
  [...changes.values()].filter((value) => value !== 'removed') as T[];
