import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { LateSync } from '@gantry/shared/durability';
import { hasCode } from '@gantry/shared/linux';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { MonitorPaths } from '../runtime/monitor-paths';
import type { ContainerRecord } from './container-record';
import type { RecordWriter } from './container-store';

const REMOVING = '.removing-';
const ID = /^[0-9a-f]{64}$/;

/**
 * The records on disk. Synchronous on purpose: a write of some KB to the page cache takes 0.1 ms, a trip through libuv's
 * threads for each of its steps more than a millisecond.
 */
@Injectable()
export class RecordFiles implements RecordWriter {
  constructor(
    private readonly paths: MonitorPaths,
    private readonly sync: LateSync,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** `passing`: it is written again within seconds, and not worth a sync. */
  async write(record: ContainerRecord, passing = false): Promise<void> {
    const file = this.paths.record(record.id);
    try {
      writeFileSync(`${file}.tmp`, JSON.stringify(record), { mode: 0o600 });
      renameSync(`${file}.tmp`, file);
      if (!passing) this.sync.add(file);
    } catch (error) {
      // Somebody still wanted to note something about a container whose directory is on its way out.
      if (!record.removal || !hasCode(error, 'ENOENT')) throw error;
    }
  }

  /** The container's directory, empty. */
  makeDirectory(id: string): void {
    mkdirSync(this.paths.bundle(id), { mode: 0o710, recursive: true });
  }

  readAll(): ContainerRecord[] {
    mkdirSync(this.paths.containers, { recursive: true, mode: 0o710 });
    const records: ContainerRecord[] = [];
    for (const id of readdirSync(this.paths.containers)) {
      if (!ID.test(id)) continue;
      try {
        records.push(JSON.parse(readFileSync(this.paths.record(id), 'utf8')) as ContainerRecord);
      } catch (error) {
        if (hasCode(error, 'ENOENT')) {
          // A create that died before it had a record: nobody was told of the container.
          this.logger.warn({ container: id }, 'container without a record: removing it');
          this.markRemoving(id);
        } else if (error instanceof SyntaxError) {
          this.logger.error({ err: error, container: id }, 'container with a broken record: left as it is');
        } else throw error; // trouble of the host is no reason to lose one
      }
    }
    return records;
  }

  /** Whether there is anything of a container on disk, be it that its record is broken. */
  has(id: string): boolean {
    return existsSync(this.paths.bundle(id));
  }

  /** From here on the container is gone, whatever happens next. So is one whose directory somebody has deleted. */
  markRemoving(id: string): void {
    try {
      renameSync(this.paths.bundle(id), join(this.paths.containers, REMOVING + id));
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }

  /** Ids whose removal has begun and not ended. */
  removing(): string[] {
    return readdirSync(this.paths.containers)
      .filter((name) => name.startsWith(REMOVING))
      .map((name) => name.slice(REMOVING.length));
  }

  /** The record of one of them, as far as it can be read. */
  readRemoving(id: string): ContainerRecord | undefined {
    try {
      const file = join(this.paths.containers, REMOVING + id, 'container.json');
      return JSON.parse(readFileSync(file, 'utf8')) as ContainerRecord;
    } catch {
      return undefined;
    }
  }

  /** Off the event loop: nobody waits for it. */
  async removeMarked(id: string): Promise<void> {
    await rm(join(this.paths.containers, REMOVING + id), { recursive: true, force: true });
  }

  /** Directory that {@link markRemoving} made of the container's. */
  removingDirectory(id: string): string {
    return join(this.paths.containers, REMOVING + id);
  }
}
