import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LateSync } from '@gantry/shared/durability';
import { internal, invalidArgument, notFound } from '@gantry/shared/errors';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { networkPaths } from '../config';
import { completed, type NetworkRecord } from './network-record';
import { PostgresIndex } from './postgres-index';
import { RecordDirectory } from './record-directory';

/** The networks of this node: on disk, and all of them in memory. */
@Injectable()
export class NetworkRegistry {
  private readonly directory: RecordDirectory<NetworkRecord>;
  private readonly networks = new Map<string, NetworkRecord>();
  /** How many endpoints are being made on a network that no sandbox's record shows yet. */
  private readonly joining = new Map<string, number>();

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    private readonly index: PostgresIndex,
    private readonly sync: LateSync,
    @Inject(LOGGER) logger: Logger,
  ) {
    this.directory = new RecordDirectory(networkPaths(config).networks, (file, err) =>
      logger.error({ err, file }, 'a broken record is put aside'),
    );
    for (const record of this.directory.load()) this.networks.set(record.id, completed(record));
  }

  all(): NetworkRecord[] {
    return [...this.networks.values()];
  }

  get(id: string): NetworkRecord | undefined {
    return this.networks.get(id);
  }

  named(name: string): NetworkRecord | undefined {
    return this.all().find((network) => network.name === name);
  }

  get defaultBridge(): NetworkRecord {
    const found = this.named('bridge');
    if (!found) throw internal('the default bridge network does not exist');
    return found;
  }

  /** By id, name or the beginning of an id, in this order. @throws NotFound or InvalidArgument in dockerd's words */
  resolve(reference: string): NetworkRecord {
    const exact = this.get(reference) ?? this.named(reference);
    if (exact) return exact;
    const matches = reference === '' ? [] : this.all().filter((network) => network.id.startsWith(reference));
    if (matches.length > 1) {
      throw invalidArgument(
        `network ${reference} is ambiguous (${matches.length} matches found based on ID prefix)`,
      );
    }
    if (!matches[0]) throw notFound(`network ${reference} not found`);
    return matches[0];
  }

  /** Keeps networks from being removed while endpoints are made on them. */
  async whileJoining<T>(ids: readonly string[], action: () => Promise<T>): Promise<T> {
    for (const id of ids) this.joining.set(id, (this.joining.get(id) ?? 0) + 1);
    try {
      return await action();
    } finally {
      for (const id of ids) this.joining.set(id, (this.joining.get(id) ?? 1) - 1);
      for (const id of ids) if (this.joining.get(id) === 0) this.joining.delete(id);
    }
  }

  isJoined(id: string): boolean {
    return this.joining.has(id);
  }

  put(record: NetworkRecord): void {
    this.directory.write(record.id, record);
    this.sync.add(this.directory.file(record.id));
    this.networks.set(record.id, record);
    this.index.putNetwork(record);
  }

  remove(id: string): void {
    this.directory.remove(id);
    this.networks.delete(id);
    this.index.removeNetwork(id);
  }
}
