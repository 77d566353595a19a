import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { INSTANCE_CONFIG, type InstanceConfig } from '@gantry/shared/config';
import { LOGGER, type Logger } from '@gantry/shared/logging';
import { networkPaths } from '../config';
import { PostgresIndex } from './postgres-index';
import { RecordDirectory } from './record-directory';
import type { EndpointRecord, SandboxRecord } from './sandbox-record';

/** The sandboxes of this node: on disk, and all of them in memory. */
@Injectable()
export class SandboxRegistry {
  private readonly directory: RecordDirectory<SandboxRecord>;
  private readonly root: string;
  private readonly sandboxes = new Map<string, SandboxRecord>();
  private changes = 0;

  constructor(
    @Inject(INSTANCE_CONFIG) config: InstanceConfig,
    private readonly index: PostgresIndex,
    @Inject(LOGGER) logger: Logger,
  ) {
    this.root = networkPaths(config).sandboxes;
    this.directory = new RecordDirectory(this.root, (file, err) =>
      logger.error({ err, file }, 'a broken record is put aside'),
    );
    for (const record of this.directory.load()) this.sandboxes.set(record.containerId, record);
  }

  /** Another number after every change, for whoever keeps something computed from all sandboxes. */
  get version(): number {
    return this.changes;
  }

  /** The file that the network namespace of a container is mounted on. */
  namespaceOf(containerId: string): string {
    return join(this.root, containerId);
  }

  all(): SandboxRecord[] {
    return [...this.sandboxes.values()];
  }

  get(containerId: string): SandboxRecord | undefined {
    return this.sandboxes.get(containerId);
  }

  /** Every endpoint on a network with the sandbox that has it. */
  endpointsOn(networkId: string): { sandbox: SandboxRecord; endpoint: EndpointRecord }[] {
    return this.all().flatMap((sandbox) =>
      sandbox.endpoints
        .filter((endpoint) => endpoint.networkId === networkId)
        .map((endpoint) => ({ sandbox, endpoint })),
    );
  }

  /** @throws where it cannot be written: nothing has changed then */
  put(record: SandboxRecord): void {
    this.directory.write(record.containerId, record);
    this.keep(record);
  }

  /** For what cannot be taken back any more: a disk without room does not keep it from being so. */
  settle(record: SandboxRecord): void {
    this.directory.settle(record.containerId, record);
    this.keep(record);
  }

  private keep(record: SandboxRecord): void {
    this.sandboxes.set(record.containerId, record);
    this.index.putSandbox(record);
    this.changes++;
  }

  remove(containerId: string): void {
    this.directory.remove(containerId);
    this.sandboxes.delete(containerId);
    this.index.removeSandbox(containerId);
    this.changes++;
  }
}
