import { readFileSync, writeFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { internal, notFound } from '@gantry/shared/errors';
import { hasCode } from '@gantry/shared/linux';
import { ContainerLocks } from '../lifecycle/container-locks';
import { ContainerStore } from '../records/container-store';
import { MonitorPaths } from '../runtime/monitor-paths';

/** `docker rm --link`: takes a legacy link away, also from a container that runs. */
@Injectable()
export class LinkRemoval {
  constructor(
    private readonly store: ContainerStore,
    private readonly locks: ContainerLocks,
    private readonly paths: MonitorPaths,
  ) {}

  /** `reference`: `container/alias`. @throws NotFound, Internal as dockerd does, in its words */
  async remove(reference: string): Promise<void> {
    this.store.resolve(reference);
    const [container = '', alias] = reference.replace(/^\//, '').split('/');
    if (alias === undefined) throw internal('Conflict, cannot remove the default link name of the container');
    const { id } = this.store.resolve(container);
    await this.locks.hold(id, async () => {
      const record = this.store.resolve(id);
      const links = record.hostConfig.Links ?? [];
      const kept = links.filter((link) => link.split(':')[1] !== alias);
      if (kept.length === links.length) throw notFound(`No such container: ${reference}`);
      record.hostConfig.Links = kept;
      await this.store.settle(record);
      if (record.state.Running) this.forgetHost(id, alias);
    });
  }

  /** In place: the file is mounted in the container. */
  private forgetHost(id: string, alias: string): void {
    const file = this.paths.hosts(id);
    try {
      const lines = readFileSync(file, 'utf8').split('\n');
      writeFileSync(file, lines.filter((line) => !line.split(/\s+/).slice(1).includes(alias)).join('\n'));
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
}
