import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { notFound } from '@gantry/shared/errors';
import { hasCode } from '@gantry/shared/linux';
import { ContainerStore } from '../records/container-store';
import { ExecFiles } from './exec-files';
import type { ExecRecord } from './exec-record';

/** How long an exec that ended can still be inspected. Milliseconds; dockerd's own. */
const KEPT_MS = 5 * 60_000;

/** All execs of this node, in memory; those that were started on disk too. */
@Injectable()
export class ExecStore {
  private readonly records = new Map<string, ExecRecord>();

  constructor(
    private readonly containers: ContainerStore,
    private readonly files: ExecFiles,
  ) {}

  add(record: ExecRecord): void {
    this.records.set(record.id, record);
    if (record.exitCode === undefined) this.containers.execIds(record.containerId).add(record.id);
  }

  /** @throws NotFound in Docker's words */
  get(id: string): ExecRecord {
    const record = this.records.get(id);
    if (!record) throw notFound(`No such exec instance: ${id}`);
    return record;
  }

  /** One that has not begun, or runs. @throws NotFound in Docker's words, also where its container has ended meanwhile */
  startable(id: string): ExecRecord {
    const record = this.get(id);
    const never = record.exitCode === undefined && !this.containers.execIds(record.containerId).has(id);
    if (never) throw notFound(`No such exec instance: ${id}`);
    return record;
  }

  /** Writes what a service that starts anew has to know. */
  save(record: ExecRecord): void {
    const file = this.files.record(record);
    writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  /** The container's inspect does not list it any more; it can be asked about for some minutes. */
  ended(record: ExecRecord): void {
    this.containers.execIds(record.containerId).delete(record.id);
    setTimeout(() => this.records.delete(record.id), KEPT_MS).unref();
  }

  /** Those that nobody has started will not run any more. */
  containerEnded(containerId: string): void {
    for (const record of this.records.values()) {
      if (record.containerId === containerId && !record.running && record.exitCode === undefined)
        this.ended(record);
    }
  }

  forgetContainer(containerId: string): void {
    for (const record of this.records.values()) {
      if (record.containerId === containerId) this.records.delete(record.id);
    }
  }

  /** The execs that an earlier run of this service started in a container. */
  onDisk(containerId: string): ExecRecord[] {
    return names(this.files.all(containerId)).flatMap((id) => {
      try {
        return [JSON.parse(readFileSync(this.files.record({ id, containerId }), 'utf8')) as ExecRecord];
      } catch {
        return []; // ended before it began
      }
    });
  }
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
